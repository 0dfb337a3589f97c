//! Debian's nginx as a reverse proxy, in one process, on the core that the node has.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::CORE;
use crate::programs::{compat_dir, on_core};

const UP_WITHIN: Duration = Duration::from_secs(5);

pub struct Nginx {
    child: Child,
    /// Its host and port.
    pub address: String,
}

impl Nginx {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// In front of `upstream`; none where it isn't installed.
    pub fn start(scratch: &Path, upstream: &str) -> Option<Self> {
        let Some(program) = find() else {
            eprintln!("bench: nginx is SKIPPED: it isn't installed (scripts/compat-setup)");
            return None;
        };
        let dir = scratch.join("nginx");
        fs::create_dir(&dir).ok()?;
        let listener = TcpListener::bind("127.0.0.1:0").ok()?;
        let address = listener.local_addr().ok()?;
        drop(listener);
        let file = dir.join("nginx.conf");
        fs::write(&file, config(&dir, &address.to_string(), upstream)).ok()?;
        let mut command = on_core(CORE, &program);
        command.arg("-p").arg(&dir).arg("-c").arg(&file);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let nginx = Self {
            child: command.spawn().ok()?,
            address: address.to_string(),
        };
        let deadline = Instant::now() + UP_WITHIN;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                eprintln!("bench: nginx is SKIPPED: it doesn't start");
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(nginx)
    }
}

/// The system's, which may be where only root looks, or the one that was unpacked for the benchmark.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = compat_dir().map(|dir| dir.join("bin"));
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .chain(unpacked)
        .map(|dir| dir.join("nginx"))
        .find(|program| program.is_file())
}

fn config(dir: &Path, address: &str, upstream: &str) -> String {
    let dir = dir.display();
    format!(
        "worker_processes 1; master_process off; daemon off; pid {dir}/pid; error_log {dir}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;\n\
         fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
         upstream up {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}\n\
         server {{ listen {address}; keepalive_requests 1000000000; location / {{ proxy_pass http://up;\n\
         proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
    )
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
