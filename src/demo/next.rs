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
All of it stays up until Ctrl-C, and changes are shown here. Try, in another terminal (bash):

  . {folder}/env.sh
  # which sets PATH, BEAMSHARE_CONFIG, caput and caget where you have none, and
{exports}
  beamshare status                            what the control room sees
  beamshare show; beamshare history           who the PVs name, what was done for them
  medm -x -macro "P={p},R={r}" {root}/medm/beamshare.adl

  caput {SHARE}Run 1                      see that all is still so: nobody is mailed twice
  rm -r {folder}/data/*; caput {SHARE}Run 1
                                              what is gone is made again
  beamshare-demo tag Mei Li mei.li@mit.example 71003
                                              the next group: the tagging tool's ten puts
  beamshare-demo tag Wei Li wei.li@ubc.example 71004
                                              another Li in the same month: held, not given the first one's data
  beamshare-demo tag Mia Bell mia@lbl.example 71005 --puts 3
                                              the tool dies in the middle: held, never half of one and half of another
  caput {USER_INFO}UserEmail eve@evil.example
                                              a stray put: held
  kill -9 {ioc}                                  the soft IOC dies (and is started again, with nobody tagged)
  kill -9 {beamshare}                                  beamshare dies: Alive turns to Stopped after 10 s
                                              (if it is started again sooner, nobody notices)
"#,
        p = "2bmb:",
        r = "Share:",
        root = stage.root.display(),
        ioc = pid("soft IOC"),
        beamshare = pid("beamshare"),
    ));
}
