//! Which process a connection on this machine comes from, as Linux tells it.

use std::{fs, net::SocketAddr};

/// The process that has a socket bound to this address; none: not known.
pub(crate) fn process(client: SocketAddr) -> Option<i32> {
    let inode = inode(&fs::read_to_string("/proc/net/tcp").ok()?, client)?;
    let socket = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<i32>().ok()
    });
    let owners: Vec<i32> = pids
        .filter(|pid| {
            let files = fs::read_dir(format!("/proc/{pid}/fd"));
            files.is_ok_and(|mut files| {
                files.any(|file| {
                    let target = file.and_then(|file| fs::read_link(file.path()));
                    target.is_ok_and(|target| target.as_os_str() == socket.as_str())
                })
            })
        })
        .collect();
    // A child has all that its parent has, until it becomes another program.
    let is_child = |pid: i32| parent(pid).is_some_and(|parent| owners.contains(&parent));
    owners.iter().copied().find(|pid| !is_child(*pid))
}

/// The process that made a process.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name, which may hold anything, is in parentheses before.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// The number of the socket at a local address, of the table of sockets.
fn inode(table: &str, client: SocketAddr) -> Option<u64> {
    let SocketAddr::V4(client) = client else {
        return None;
    };
    // An address stands there as the machine has it in memory, a port as people write it.
    let ip = u32::from_ne_bytes(client.ip().octets());
    let local = format!("{ip:08X}:{:04X}", client.port());
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if *fields.get(1)? != local {
            return None;
        }
        fields.get(9)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_comes_from_the_process_that_made_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (_server, from) = listener.accept().expect("a connection");
        assert_eq!(process(from), Some(std::process::id() as i32));
        drop(client);
    }
}
