//! Unit files, read as systemd reads them: sections, assignments, continuation lines. See systemd.syntax(7).

use std::path::{Path, PathBuf};
use std::rc::Rc;

/// An assignment, or a line that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file it stands in.
    pub file: Rc<Path>,
    /// The line it begins in, from 1.
    pub line: usize,
    /// The section without its brackets; empty before the first.
    pub section: Rc<str>,
    /// What is assigned to; empty in a line that is no assignment.
    pub key: String,
    /// What is assigned; or the whole line.
    pub value: String,
}

/// A unit with what its drop-ins add: assignments are taken out of it one by one as they are understood, so that
/// what is left at the end is what nobody has understood.
#[derive(Debug, Default)]
pub struct Unit {
    entries: Vec<Entry>,
}

impl Unit {
    /// Adds a file, or a drop-in after it.
    pub fn read(&mut self, file: &Path, text: &[u8]) {
        let file: Rc<Path> = Rc::from(file);
        let mut section: Rc<str> = Rc::from("");
        for (line, text) in lines(&String::from_utf8_lossy(text)) {
            let entry = |key: &str, value: &str| Entry {
                file: file.clone(),
                line,
                section: section.clone(),
                key: key.trim_end().to_owned(),
                value: value.trim_start().to_owned(),
            };
            match (text.strip_prefix('['), text.split_once('=')) {
                (Some(name), _) if name.ends_with(']') => section = Rc::from(&name[..name.len() - 1]),
                (None, Some((key, value))) if !section.is_empty() => self.entries.push(entry(key, value)),
                _ => self.entries.push(entry("", &text)),
            }
        }
    }

    /// Takes an assignment out: the last one counts, an empty one takes it back.
    pub fn take(&mut self, section: &str, key: &str) -> Option<Entry> {
        self.take_all(section, key).pop()
    }

    /// Takes all assignments to a list out, in order; an empty one takes back those before it.
    pub fn take_all(&mut self, section: &str, key: &str) -> Vec<Entry> {
        let is_it = |entry: &Entry| &*entry.section == section && entry.key == key;
        let (mut taken, rest): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.entries).into_iter().partition(is_it);
        self.entries = rest;
        let first = taken.iter().rposition(|entry| entry.value.is_empty()).map_or(0, |at| at + 1);
        taken.split_off(first)
    }

    /// What has not been taken out, in order.
    pub fn rest(self) -> Vec<Entry> {
        self.entries
    }
}

/// The logical lines that are neither empty nor comments, each with the number of its first line: what ends with a
/// backslash goes on, after a blank, in the next line that is no comment.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim_start();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let (first, mut whole) = open.take().unwrap_or((number, String::new()));
        whole.push_str(line);
        let backslashes = whole.bytes().rev().take_while(|&b| b == b'\\').count();
        if backslashes % 2 == 1 {
            whole.pop();
            whole.push(' ');
            open = Some((first, whole));
        } else {
            found.push((first, whole));
        }
    }
    found.extend(open);
    let trimmed = found.into_iter().map(|(number, line)| (number, line.trim().to_owned()));
    trimmed.filter(|(_, line)| !line.is_empty()).collect()
}

/// The files of a unit: its own, or its template's, then its drop-ins; or what is missing.
pub fn files(given: &Path) -> Result<Vec<PathBuf>, String> {
    let name = given.file_name().and_then(|name| name.to_str()).ok_or("it has no name")?;
    let places = match given.parent() {
        Some(parent) if given.as_os_str().len() > name.len() => vec![parent.to_owned()],
        _ => search_path(),
    };
    let names: Vec<String> = std::iter::once(name.to_owned()).chain(template(name)).collect();
    let candidates = names.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
    let own = candidates.into_iter().find(|path| path.exists()).ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        format!("no unit of this name in {}", places.join(", "))
    })?;
    let mut drop_ins: Vec<PathBuf> = Vec::new();
    for directory in places.iter().flat_map(|place| names.iter().map(|name| place.join(format!("{name}.d"))))
    {
        let listed = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let known = |path: &PathBuf| drop_ins.iter().any(|other| other.file_name() == path.file_name());
        let new: Vec<PathBuf> =
            listed.filter(|path| path.extension().is_some_and(|e| e == "conf") && !known(path)).collect();
        drop_ins.extend(new);
    }
    drop_ins.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(std::iter::once(own).chain(drop_ins).collect())
}

/// `getty@.service` of `getty@tty1.service`.
fn template(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

/// Where systemd looks for units, the directory that counts most first.
fn search_path() -> Vec<PathBuf> {
    let usual = ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system"];
    let usual = usual.iter().chain(&["/usr/lib/systemd/system", "/lib/systemd/system"]);
    let given = std::env::var_os("SYSTEMD_UNIT_PATH").filter(|path| !path.is_empty());
    let Some(given) = given else { return usual.map(PathBuf::from).collect() };
    let given: Vec<PathBuf> = std::env::split_paths(&given).collect();
    // an empty one at the end stands for the usual
    let own = given.iter().filter(|path| !path.as_os_str().is_empty()).cloned();
    match given.last() {
        Some(last) if last.as_os_str().is_empty() => own.chain(usual.map(PathBuf::from)).collect(),
        _ => own.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Unit {
        let mut unit = Unit::default();
        unit.read(Path::new("u"), text.as_bytes());
        unit
    }

    fn all(text: &str) -> Vec<(usize, String, String, String)> {
        let entries = read(text).rest().into_iter();
        entries.map(|e| (e.line, e.section.to_string(), e.key, e.value)).collect()
    }

    fn of(line: usize, section: &str, key: &str, value: &str) -> (usize, String, String, String) {
        (line, section.into(), key.into(), value.into())
    }

    #[test]
    fn lines_are_continued_and_comments_are_skipped_also_in_between() {
        let text = "# one\n[Service]\n; two\n  ExecStart = /bin/a \\\n# three\n   b\\\n\nUser=\nx\n";
        assert_eq!(
            all(text),
            [
                of(4, "Service", "ExecStart", "/bin/a  b"),
                of(8, "Service", "User", ""),
                of(9, "Service", "", "x")
            ]
        );
        assert_eq!(all("[S]\na=b\\\\\nc=d\\"), [of(2, "S", "a", "b\\\\"), of(3, "S", "c", "d")]);
        assert_eq!(all("\u{feff}[S]\r\na=b\r\n"), [of(2, "S", "a", "b")]);
        assert_eq!(all("a=b\n[S\nc=d"), [of(1, "", "", "a=b"), of(2, "", "", "[S"), of(3, "", "", "c=d")]);
    }

    #[test]
    fn the_last_counts_and_an_empty_one_takes_back() {
        let mut unit = read("[S]\na=1\na=2\nb=1\nb=\nb=2\nb=3\nc=1\nc=\n");
        assert_eq!(unit.take("S", "a").unwrap().value, "2");
        let b: Vec<String> = unit.take_all("S", "b").into_iter().map(|e| e.value).collect();
        assert_eq!(b, ["2", "3"]);
        assert_eq!(unit.take("S", "c"), None);
        assert!(unit.rest().is_empty());
    }

    #[test]
    fn templates_have_instances() {
        assert_eq!(template("getty@tty1.service").unwrap(), "getty@.service");
        assert_eq!(template("getty@.service"), None);
        assert_eq!(template("getty.service"), None);
    }
}
