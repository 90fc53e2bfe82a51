//! The kernel's own refusals, by name.

use std::fmt;

use serde::Serialize;

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// An error number that the kernel answers a request with: those a plan can meet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[allow(clippy::upper_case_acronyms, reason = "these are the names everybody knows")]
        pub enum Errno {
            $(#[doc = $text] $name,)*
        }

        impl Errno {
            /// The error that Linux numbers `number`, if it is one a plan can meet.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The text that strerror(3) gives.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    ESRCH = 3, "No such process";
    ENXIO = 6, "No such device or address";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    ENODEV = 19, "No such device";
    EINVAL = 22, "Invalid argument";
    EMLINK = 31, "Too many links";
    ERANGE = 34, "Numerical result out of range";
    ELOOP = 40, "Too many levels of symbolic links";
    EXFULL = 54, "Exchange full";
    EMSGSIZE = 90, "Message too long";
    EOPNOTSUPP = 95, "Operation not supported";
    EADDRINUSE = 98, "Address already in use";
    EADDRNOTAVAIL = 99, "Cannot assign requested address";
    ENETDOWN = 100, "Network is down";
    ENETUNREACH = 101, "Network is unreachable";
    EHOSTUNREACH = 113, "No route to host";
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
