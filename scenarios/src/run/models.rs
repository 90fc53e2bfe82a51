//! The models there are, and whether they can run here.

use netparity_core::{
    engine::Variant,
    model::{NetworkModel, Planned},
};
use netparity_kernel::{Access, Kernel};
use netparity_reference::{Docker, Options, Reference};
use netparity_sim::Sim;

/// A model that scenarios can be played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ModelKind {
    /// The packet simulator.
    Sim,
    /// Linux.
    Kernel,
    /// A real dockerd, on Linux.
    Docker,
}

impl ModelKind {
    /// Every model.
    pub const ALL: [Self; 3] = [Self::Sim, Self::Kernel, Self::Docker];

    /// Why there is no model of this kind in which these rules hold, if there is none.
    pub fn lacks(self, engine: Variant) -> Option<String> {
        let lacks = self == Self::Docker && !engine.is_of_docker();
        lacks.then(|| format!("there is no dockerd of engine {engine}"))
    }

    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Kernel => "kernel",
            Self::Docker => "docker",
        }
    }
}

/// The dockerd that scenarios are played on.
#[derive(Clone, Debug)]
pub struct Dockerd {
    /// That the process can be started again to keep one.
    pub access: netparity_reference::Access,
    /// Which.
    pub options: Options,
}

impl Dockerd {
    /// The first one on PATH. Has to come before the first thread.
    pub fn on_path() -> Self {
        Self {
            access: netparity_reference::enter(),
            options: Options::default(),
        }
    }
}

/// What this machine can do.
#[derive(Clone, Debug)]
pub struct Machine {
    kernel: Result<Access, String>,
    docker: Result<Dockerd, String>,
}

impl Machine {
    /// Finds out what these models need. Has to come before the first thread.
    pub fn new(kinds: &[ModelKind], dockerd: &Dockerd) -> Self {
        let not_asked_for = || "it was not asked for".to_owned();
        let with_docker = kinds.contains(&ModelKind::Docker);
        // As whoever this is: without root's rights the kernel model will be root of nothing but
        // its own networks.
        let docker = match with_docker {
            true => Docker::check(&dockerd.access, &dockerd.options)
                .map(|()| dockerd.clone())
                .map_err(|why| why.to_string()),
            false => Err(not_asked_for()),
        };
        let kernel = match with_docker || kinds.contains(&ModelKind::Kernel) {
            true => netparity_kernel::enter().map_err(|why| why.to_string()),
            false => Err(not_asked_for()),
        };
        Self { kernel, docker }
    }

    /// Why a model cannot run here, if it cannot.
    pub fn lacks(&self, kind: ModelKind) -> Option<&str> {
        let kernel = self.kernel.as_ref().err().map(String::as_str);
        match kind {
            ModelKind::Sim => None,
            ModelKind::Kernel => kernel,
            ModelKind::Docker => self.docker.as_ref().err().map(String::as_str).or(kernel),
        }
    }

    /// An empty network in which these rules hold.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub fn open(&self, kind: ModelKind, engine: Variant) -> Result<Box<dyn NetworkModel>, String> {
        if let Some(why) = kind.lacks(engine) {
            return Err(why);
        }
        Ok(match kind {
            ModelKind::Sim => Box::new(Planned::of(engine, Sim::new())),
            ModelKind::Kernel => {
                let kernel = Kernel::new(self.kernel()?).map_err(|why| why.to_string())?;
                Box::new(Planned::of(engine, kernel))
            }
            ModelKind::Docker => {
                let Dockerd { access, options } = self.docker.as_ref().map_err(String::clone)?;
                let reference = Reference::new(access, self.kernel()?, options);
                Box::new(reference.map_err(|why| why.to_string())?)
            }
        })
    }

    /// The right to make networks on Linux.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn kernel(&self) -> Result<&Access, String> {
        self.kernel.as_ref().map_err(String::clone)
    }
}
