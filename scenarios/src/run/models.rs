//! The models there are, and whether they can run here.

use netparity_core::model::{NetworkModel, Planned};
use netparity_kernel::{Access, Kernel};
use netparity_sim::Sim;

/// A model that scenarios can be played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ModelKind {
    /// The packet simulator.
    Sim,
    /// Linux.
    Kernel,
}

impl ModelKind {
    /// Every model.
    pub const ALL: [Self; 2] = [Self::Sim, Self::Kernel];

    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Kernel => "kernel",
        }
    }
}

/// What this machine can do.
#[derive(Clone, Debug)]
pub struct Machine {
    kernel: Result<Access, String>,
}

impl Machine {
    /// Finds out what these models need. Has to come before the first thread.
    pub fn new(kinds: &[ModelKind]) -> Self {
        let kernel = match kinds.contains(&ModelKind::Kernel) {
            true => netparity_kernel::enter().map_err(|why| why.to_string()),
            false => Err("it was not asked for".to_owned()),
        };
        Self { kernel }
    }

    /// Why a model cannot run here, if it cannot.
    pub fn lacks(&self, kind: ModelKind) -> Option<&str> {
        match kind {
            ModelKind::Sim => None,
            ModelKind::Kernel => self.kernel.as_ref().err().map(String::as_str),
        }
    }

    /// An empty network.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub fn open(&self, kind: ModelKind) -> Result<Box<dyn NetworkModel>, String> {
        Ok(match kind {
            ModelKind::Sim => Box::new(Planned::new(Sim::new())),
            ModelKind::Kernel => {
                let access = self.kernel.as_ref().map_err(String::clone)?;
                let kernel = Kernel::new(access).map_err(|why| why.to_string())?;
                Box::new(Planned::new(kernel))
            }
        })
    }
}
