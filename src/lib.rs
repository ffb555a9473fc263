//! beamshare.
