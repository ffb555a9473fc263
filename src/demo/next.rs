//! What to try next.

use super::parts::Parts;
use super::stage::Stage;
use super::{SHARE, USER_INFO, say};

/// Says what stays up, and what a second terminal can do with it.
pub fn show(stage: &Stage, parts: &Parts<'_>) {
    let folder = stage.folder().display();
    let pid = |name| parts.process(name).map_or_else(String::new, |pid| pid.to_string());
    let exports: String =
        stage.environment().iter().map(|(name, value)| format!("  #   export {name}={value}\n")).collect();
    say(format_args!(
        r#"
All of it stays up until Ctrl-C, and changes are shown here. The web page of the beamline: {web}
Try, in another terminal (bash):

  . {folder}/env.sh
  # sets PATH, BEAMSHARE_CONFIG, caput and caget where you have none, and
{exports}
  beamshare status                  # what the control room sees
  beamshare show                    # who the PVs name, and what was done for them
  beamshare history
  medm -x -macro "P={p},R={r},U={USER_INFO}" {root}/medm/beamshare.adl

  # Another file: it moves, and nobody is mailed again:
  date > "$(ls -d {folder}/data/*/* | head -1)/scan_003.h5"; beamshare sync status
  # Make sure that all is still so; what is gone is made again, nobody is mailed twice:
  rm -r {folder}/data/*; caput {SHARE}Run 1
  # The next group, by the tagging tool's ten puts:
  beamshare-demo tag Mei Li mei.li@mit.example 71003
  # Another Li in the same month: held, and not given the first one's data:
  beamshare-demo tag Wei Li wei.li@ubc.example 71004
  # The tool dies after three puts: held, since it would be half of one group and half of another:
  beamshare-demo tag Mia Bell mia@lbl.example 71005 --puts 3
  # A stray put: held:
  caput {USER_INFO}UserEmail eve@evil.example
  # A part dies, and is started again, as systemd would (the soft IOC with nobody tagged):
  kill -9 {ioc}        # the soft IOC
  kill -9 {beamshare}        # beamshare
"#,
        web = stage.web_page(),
        p = "2bmb:",
        r = "Share:",
        root = stage.root.display(),
        ioc = pid("soft IOC"),
        beamshare = pid("beamshare"),
    ));
}
