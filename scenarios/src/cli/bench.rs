//! `netparity bench`.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use netparity_reference::Access;
use serde_json::json;

use super::{DockerdArgs, Format, Output, complain};
use crate::{
    bench::{
        chart,
        figures::Figures,
        guard::{self, Ratios},
        measure::{Options, measure},
        peers::Peer,
        summary, table,
    },
    report::{BAD_INPUT, COULD_NOT_RUN, DIFFERED, PASSED},
    run::{Machine, ModelKind},
};

/// The arguments of `netparity bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Other programs to measure beside; those that are not here are skipped.
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    against: Vec<Peer>,
    /// How many containers at most; 1, 10, 100 and so on are measured on the way.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=1000))]
    count: u16,
    /// How often each thing is measured; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Text for people, or JSON with every round of everything.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The folder that plots and a table are written to: cost.svg, split.svg, figures.md.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The scenarios that are timed.
    #[arg(long, value_name = "PATH", default_value = "scenarios")]
    suite: PathBuf,
    /// Compares ratios with those kept in this file; a loss of more than a third is a failure. Only
    /// what there are ratios of is measured.
    #[arg(long, value_name = "FILE")]
    guard: Option<PathBuf>,
    /// Writes the ratios to this file, to be kept for --guard.
    #[arg(long, value_name = "FILE", conflicts_with = "guard")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    dockerd: DockerdArgs,
}

/// Measures. Has to come before the first thread.
pub(super) fn bench(arguments: &BenchArgs, access: Access) -> u8 {
    let kept = match arguments.guard.as_deref().map(read).transpose() {
        Ok(kept) => kept,
        Err(why) => {
            complain(&why);
            return BAD_INPUT;
        }
    };
    let dockerd = arguments.dockerd.dockerd(access);
    let machine = Machine::new(&[ModelKind::Kernel], &dockerd);
    if let Some(why) = machine.lacks(ModelKind::Kernel) {
        complain(why);
        return COULD_NOT_RUN;
    }
    let options = Options {
        against: arguments.against.clone(),
        count: arguments.count.into(),
        rounds: arguments.rounds.into(),
        only_ratios: arguments.guard.is_some() || arguments.keep.is_some(),
        suite: arguments.suite.clone(),
        dockerd,
    };
    let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let measured = measure(&options, &machine, &mut |what| {
        progress.set_message(what.to_owned());
        progress.tick();
    });
    progress.finish_and_clear();
    match measured {
        Ok(figures) => tell(arguments, &figures, kept.as_ref()),
        Err(why) => {
            complain(&why);
            COULD_NOT_RUN
        }
    }
}

fn read(path: &Path) -> Result<Ratios, String> {
    let words = |error: &dyn std::fmt::Display| {
        format!(
            "--guard {}: {error}; expected what `netparity bench --keep FILE` writes",
            path.display()
        )
    };
    let text = fs::read_to_string(path).map_err(|error| words(&error))?;
    serde_json::from_str(&text).map_err(|error| words(&error))
}

fn tell(arguments: &BenchArgs, figures: &Figures, kept: Option<&Ratios>) -> u8 {
    let ratios = guard::ratios(figures);
    let losses = kept.map_or_else(Vec::new, |kept| guard::losses(kept, &ratios));
    let mut output = Output::default();
    output.write(|out| match arguments.format {
        Format::Text => text(out, figures, &ratios, &losses),
        Format::Json => {
            let report = json!({
                "version": 1,
                "measured": figures,
                "ratios": ratios,
                "losses": losses,
            });
            writeln!(out, "{report}")
        }
    });
    if let Err(why) = write_files(arguments, figures, &ratios) {
        complain(&why);
        return COULD_NOT_RUN;
    }
    output.exit_status(match losses.is_empty() {
        true => PASSED,
        false => DIFFERED,
    })
}

fn text(
    out: &mut dyn Write,
    figures: &Figures,
    ratios: &Ratios,
    losses: &[String],
) -> io::Result<()> {
    table::write(out, figures)?;
    writeln!(out, "ratios, the smaller the better")?;
    for (name, ratio) in ratios {
        writeln!(out, "  {ratio:>8.3}  {name}")?;
    }
    let paint = super::Paint::for_terminal(io::stdout().is_terminal());
    for loss in losses {
        writeln!(out, "{} {loss}", paint.red("lost"))?;
    }
    Ok(())
}

fn write_files(arguments: &BenchArgs, figures: &Figures, ratios: &Ratios) -> Result<(), String> {
    let write = |path: &Path, text: String| {
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        write(&folder.join("cost.svg"), chart::cost(figures))?;
        write(&folder.join("split.svg"), chart::split(figures))?;
        write(&folder.join("figures.md"), summary::markdown(figures))?;
    }
    if let Some(path) = &arguments.keep {
        let rounded = |(name, ratio): (&String, &f64)| (name.clone(), (ratio * 1e4).round() / 1e4);
        let ratios: Ratios = ratios.iter().map(rounded).collect();
        let text = serde_json::to_string_pretty(&ratios).map_err(|error| error.to_string())?;
        write(path, text + "\n")?;
    }
    Ok(())
}
