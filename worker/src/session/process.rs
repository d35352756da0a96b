//! What this process uses of its machine, from procfs.

use std::{fs, time::Duration};

use weir_proto::control::Heartbeat;

/// Linux counts CPU time for programs in hundredths of a second, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);
const PAGE_BYTES: u64 = 4096;

/// Measures the use since the last measure. Where there is no procfs, everything is 0.
#[derive(Debug, Default)]
pub struct Usage {
    cpu: Duration,
    at: Option<Duration>,
}

impl Usage {
    /// The use now; `now` is monotone.
    pub fn measure(&mut self, now: Duration) -> Heartbeat {
        let cpu = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|stat| cpu_time(&stat))
            .unwrap_or_default();
        let cpu_milli = match self.at {
            Some(at) if now > at => {
                (cpu.saturating_sub(self.cpu).as_secs_f64() / now.saturating_sub(at).as_secs_f64() * 1000.0)
                    as u32
            }
            _ => 0,
        };
        self.cpu = cpu;
        self.at = Some(now);
        Heartbeat {
            memory_bytes: resident_bytes(),
            cpu_milli,
        }
    }
}

/// The memory that this process has now, in bytes.
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    resident(&statm).unwrap_or(0)
}

/// The memory that this process has for itself now, in bytes: without what is a file's, its program above all, which the system drops and
/// reads again as it likes.
pub fn own_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    own(&statm).unwrap_or(0)
}

/// User and system time in `/proc/self/stat`: fields 14 and 15, counted from 1. The name, field 2, may hold spaces.
fn cpu_time(stat: &str) -> Option<Duration> {
    let mut after_name = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u32 = after_name.next()?.parse().ok()?;
    let system: u32 = after_name.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

fn resident(statm: &str) -> Option<u64> {
    pages(statm, 1).map(|pages| pages * PAGE_BYTES)
}

fn own(statm: &str) -> Option<u64> {
    let (resident, of_files) = (pages(statm, 1)?, pages(statm, 2)?);
    Some(resident.saturating_sub(of_files) * PAGE_BYTES)
}

/// A field of `/proc/self/statm`: the size of the program, what of it is resident, and what of that is files'.
fn pages(statm: &str, field: usize) -> Option<u64> {
    statm.split_ascii_whitespace().nth(field)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procfs_is_read_even_with_spaces_in_the_process_name() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 10 0 0 0 150 50 0 0 20 0 8 0 100 1000 200";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(resident("1000 250 30 4 0 50 0"), Some(250 * PAGE_BYTES));
        assert_eq!(own("1000 250 30 4 0 50 0"), Some(220 * PAGE_BYTES));
        assert_eq!(cpu_time(""), None);
    }
}
