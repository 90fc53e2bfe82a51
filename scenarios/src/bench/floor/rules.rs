//! The messages about packet rules: those of Docker's bridge with icc off, and those of a link.

use nix::libc;

use super::{BRIDGE, GATEWAY, PREFIX, message::Message};

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const NEW_CHAIN: u16 = SUBSYSTEM << 8 | 3;
const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

const ACCEPT: i32 = 1;
const DROP: i32 = 0;
const RETURN: i32 = -5;
const JUMP: i32 = -3;

const IN: u32 = 6;
const OUT: u32 = 7;
const PROTOCOL: u32 = 16;
const EQUAL: u32 = 0;
const UNEQUAL: u32 = 1;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const ESTABLISHED_OR_RELATED: u32 = 0b110;
const LOCAL: u32 = 2;
const TCP: u8 = 6;

/// All that Docker 20.10 writes for its bridge, one transaction.
pub(super) fn of_bridge() -> Message {
    let mut batch = Batch::new();
    batch.table("filter");
    batch.hooked("filter", "FORWARD", 2, 0);
    let own = [
        "DOCKER",
        "DOCKER-ISOLATION-STAGE-1",
        "DOCKER-ISOLATION-STAGE-2",
        "DOCKER-USER",
    ];
    for chain in own {
        batch.chain("filter", chain);
    }
    let [docker, stage_1, stage_2, user] = own;
    batch.rule("filter", stage_1, |rule| {
        rule.link(IN, EQUAL).link(OUT, UNEQUAL).jump(stage_2);
    });
    batch.rule("filter", stage_1, |rule| rule.verdict(RETURN));
    batch.rule("filter", stage_2, |rule| rule.link(OUT, EQUAL).drop());
    batch.rule("filter", stage_2, |rule| rule.verdict(RETURN));
    batch.rule("filter", user, |rule| rule.verdict(RETURN));
    batch.rule("filter", "FORWARD", |rule| rule.jump(user));
    batch.rule("filter", "FORWARD", |rule| rule.jump(stage_1));
    batch.rule("filter", "FORWARD", |rule| {
        rule.link(OUT, EQUAL).established().verdict(ACCEPT);
    });
    batch.rule("filter", "FORWARD", |rule| {
        rule.link(OUT, EQUAL).jump(docker)
    });
    batch.rule("filter", "FORWARD", |rule| {
        rule.link(IN, EQUAL).link(OUT, UNEQUAL).verdict(ACCEPT);
    });
    batch.rule("filter", "FORWARD", |rule| {
        rule.link(IN, EQUAL).link(OUT, EQUAL).drop();
    });
    batch.table("nat");
    batch.hooked("nat", "PREROUTING", 0, -100);
    batch.hooked("nat", "OUTPUT", 3, -100);
    batch.hooked("nat", "POSTROUTING", 4, 100);
    batch.chain("nat", docker);
    batch.rule("nat", docker, |rule| rule.link(IN, EQUAL).verdict(RETURN));
    batch.rule("nat", "PREROUTING", |rule| rule.local().jump(docker));
    batch.rule("nat", "OUTPUT", |rule| {
        rule.network(16, [127, 0, 0, 0], 8, UNEQUAL)
            .local()
            .jump(docker);
    });
    batch.rule("nat", "POSTROUTING", |rule| {
        let subnet = [GATEWAY[0], 0, 0, 0];
        rule.network(12, subnet, PREFIX, EQUAL)
            .link(OUT, UNEQUAL)
            .masquerade();
    });
    batch.finish()
}

/// The two rules of a link to a TCP port, one transaction. Slots: parent, child, child, parent.
pub(super) fn of_link(port: u16) -> Message {
    const SOURCE_PORT: u32 = 0;
    const DESTINATION_PORT: u32 = 2;
    let mut batch = Batch::new();
    for at in [DESTINATION_PORT, SOURCE_PORT] {
        batch.rule("filter", "DOCKER", |rule| {
            rule.link(IN, EQUAL)
                .link(OUT, EQUAL)
                .meta(PROTOCOL)
                .compare(EQUAL, &[TCP])
                .load(NETWORK_HEADER, 12, 4)
                .compare_slot()
                .load(NETWORK_HEADER, 16, 4)
                .compare_slot()
                .load(TRANSPORT_HEADER, at, 2)
                .compare(EQUAL, &port.to_be_bytes())
                .verdict(ACCEPT);
        });
    }
    batch.finish()
}

/// A transaction.
struct Batch(Message);

impl Batch {
    fn new() -> Self {
        Self(frame(Message::default(), BATCH_BEGIN))
    }

    fn add(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Message)) {
        self.0 = std::mem::take(&mut self.0).message(kind, flags, |message| {
            message.raw(&[libc::NFPROTO_IPV4 as u8, 0, 0, 0]);
            body(message);
        });
    }

    fn table(&mut self, name: &str) {
        self.add(NEW_TABLE, NLM_F_CREATE, |message| message.text(1, name));
    }

    fn chain(&mut self, table: &str, name: &str) {
        self.add(NEW_CHAIN, NLM_F_CREATE, |message| {
            message.text(1, table);
            message.text(3, name);
        });
    }

    fn hooked(&mut self, table: &str, name: &str, hook: u32, priority: i32) {
        self.add(NEW_CHAIN, NLM_F_CREATE, |message| {
            message.text(1, table);
            message.text(3, name);
            message.text(7, table);
            message.nest(4, |message| {
                message.number(1, hook);
                message.number(2, priority.cast_unsigned());
            });
        });
    }

    fn rule(&mut self, table: &str, chain: &str, body: impl FnOnce(&mut Rule<'_>)) {
        self.add(NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, |message| {
            message.text(1, table);
            message.text(2, chain);
            message.nest(4, |message| body(&mut Rule(message)));
        });
    }

    /// It is the last rule that is acknowledged, once all is done.
    fn finish(self) -> Message {
        frame(self.0.acknowledged(), BATCH_END)
    }
}

fn frame(batch: Message, kind: u16) -> Message {
    batch.message(kind, 0, |message| {
        let [high, low] = SUBSYSTEM.to_be_bytes();
        message.raw(&[0, 0, high, low]);
    })
}

/// The expressions of a rule. All of them work on one register.
struct Rule<'a>(&'a mut Message);

const REGISTER: u32 = 1;

impl Rule<'_> {
    fn expression(&mut self, name: &str, body: impl FnOnce(&mut Message)) -> &mut Self {
        self.0.nest(1, |message| {
            message.text(1, name);
            message.nest(2, body);
        });
        self
    }

    fn meta(&mut self, key: u32) -> &mut Self {
        self.expression("meta", |message| {
            message.number(1, REGISTER);
            message.number(2, key);
        })
    }

    fn load(&mut self, base: u32, offset: u32, length: u32) -> &mut Self {
        self.expression("payload", |message| {
            message.number(1, REGISTER);
            message.number(2, base);
            message.number(3, offset);
            message.number(4, length);
        })
    }

    fn mask(&mut self, mask: [u8; 4]) -> &mut Self {
        self.expression("bitwise", |message| {
            message.number(1, REGISTER);
            message.number(2, REGISTER);
            message.number(3, 4);
            message.nest(4, |message| message.attribute(1, &mask));
            message.nest(5, |message| message.attribute(1, &[0; 4]));
        })
    }

    fn compare_with(&mut self, how: u32, value: impl FnOnce(&mut Message)) -> &mut Self {
        self.expression("cmp", |message| {
            message.number(1, REGISTER);
            message.number(2, how);
            message.nest(3, value);
        })
    }

    fn compare(&mut self, how: u32, value: &[u8]) -> &mut Self {
        self.compare_with(how, |message| message.attribute(1, value))
    }

    fn compare_slot(&mut self) -> &mut Self {
        self.compare_with(EQUAL, |message| message.slot(1, 4))
    }

    /// Whether it came in or goes out by the bridge.
    fn link(&mut self, key: u32, how: u32) -> &mut Self {
        let mut name = [0; libc::IFNAMSIZ];
        for (place, byte) in name.iter_mut().zip(BRIDGE.bytes()) {
            *place = byte;
        }
        self.meta(key).compare(how, &name)
    }

    /// Whether the address at this offset is of a network.
    fn network(&mut self, offset: u32, net: [u8; 4], prefix: u8, how: u32) -> &mut Self {
        let mask = (u32::MAX << (32 - prefix)).to_be_bytes();
        self.load(NETWORK_HEADER, offset, 4)
            .mask(mask)
            .compare(how, &net)
    }

    fn established(&mut self) -> &mut Self {
        const STATE: u32 = 0;
        self.expression("ct", |message| {
            message.number(1, REGISTER);
            message.number(2, STATE);
        })
        .mask(ESTABLISHED_OR_RELATED.to_ne_bytes())
        .compare(UNEQUAL, &[0; 4])
    }

    /// Whether it is to an address of the host.
    fn local(&mut self) -> &mut Self {
        const ADDRESS_TYPE: u32 = 3;
        const DESTINATION: u32 = 2;
        self.expression("fib", |message| {
            message.number(1, REGISTER);
            message.number(2, ADDRESS_TYPE);
            message.number(3, DESTINATION);
        })
        .compare(EQUAL, &LOCAL.to_ne_bytes())
    }

    fn end(&mut self, code: i32, chain: Option<&str>) {
        const VERDICT: u32 = 0;
        self.expression("immediate", |message| {
            message.number(1, VERDICT);
            message.nest(2, |message| {
                message.nest(2, |message| {
                    message.number(1, code.cast_unsigned());
                    if let Some(chain) = chain {
                        message.text(2, chain);
                    }
                });
            });
        });
    }

    fn verdict(&mut self, code: i32) {
        self.end(code, None);
    }

    fn jump(&mut self, chain: &str) {
        self.end(JUMP, Some(chain));
    }

    /// Drops and counts.
    fn drop(&mut self) {
        self.expression("counter", |_| ());
        self.verdict(DROP);
    }

    fn masquerade(&mut self) {
        self.expression("masq", |_| ());
    }
}
