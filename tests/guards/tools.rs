//! What the tools ask the kernel for: counted, since that is what they cost wherever they run.

use std::fs;

use super::common::{Family, Sandbox, expect, skipped};

/// More than `pinfold status` looks at closer one by one.
const MANY: usize = 300;

/// A scanner over so many services, all down.
fn many() -> Sandbox {
    let sandbox = Sandbox::new("guards_tools", Family::Ours).unwrap();
    for name in names(MANY) {
        sandbox.file(&format!("{name}/run"), "#!/bin/sh\nexec sleep 1000000\n");
        sandbox.file(&format!("{name}/down"), "");
    }
    sandbox
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("s{n:03}"))
}

/// How many system calls a command makes from its exec to its end; an error says why they can't be counted.
fn calls(sandbox: &Sandbox, program: &str, arguments: &[String]) -> Result<usize, String> {
    let log = sandbox.lab().join("calls");
    let mut strace = sandbox.command("strace");
    strace.arg("-o").arg(&log).arg(program).args(arguments).current_dir(sandbox.scan());
    if sandbox.run("sh", ["-c", "command -v strace"]).code != 0 {
        return Err("no strace here".into());
    }
    let said = sandbox.finish(strace);
    if said.err.contains("ptrace") {
        return Err("nothing can be traced here".into());
    }
    assert_eq!((said.code, &*said.err), (0, ""), "{program} {arguments:?}");
    let text = fs::read_to_string(&log).unwrap();
    // fcntl is left out, since a debug build asks by it of every descriptor that it closes whether that is open
    let is_call =
        |line: &&str| !line.starts_with("+++") && !line.starts_with("---") && !line.starts_with("fcntl(");
    Ok(text.lines().filter(is_call).count())
}

/// Nobody waits for a tool that asks for nothing. What is looked at one by one costs by the service, as little as it can;
/// what stands in the table does not.
#[test]
fn tools_ask_for_no_more_than_they_did() {
    let sandbox = many();
    let mut scanner = sandbox.scanner();
    let all: Vec<String> = names(MANY).collect();
    sandbox.wait_for("all to be known", || {
        let said = sandbox.run("svstat", &all);
        expect(
            said.out.lines().count() == MANY && said.out.lines().all(|line| line.contains(": down ")),
            said.out,
        )
    });
    let count = |program: &str, arguments: &[String]| {
        let found = calls(&sandbox, program, arguments);
        println!("{program} {}: {found:?}", arguments.first().map_or("", |first| first));
        found
    };
    let counted = (|| {
        let one = count("svstat", &all[..1])?;
        let each = (count("svstat", &all)? - one) as f64 / (MANY - 1) as f64;
        println!("svstat: {each:.2} for each service");
        // is there a `down`; `ok` opened and closed; `status` opened, read and closed. The original makes eight
        assert!((5.0..6.1).contains(&each), "svstat: {each} system calls for each service");
        // the table is read, not the services: less than one call for each, start and end of the program included
        let status = count("pinfold", &["status".to_owned()])?;
        assert!(status <= 100, "pinfold status: {status} system calls");
        // what they were when this was written and a tenth more
        for (program, arguments, most) in [
            ("svok", &all[..1], 46),
            ("svc", &["-h".to_owned(), all[0].clone()][..], 62),
            ("setlock", &["lock".to_owned(), "true".to_owned()], 110),
        ] {
            let calls = count(program, arguments)?;
            assert!(calls <= most, "{program}: {calls} system calls, {most} at the most");
        }
        Ok::<_, String>(())
    })();
    if let Err(why) = counted {
        skipped(&why);
    }
    assert_eq!(scanner.terminate(), 0, "{}", sandbox.reports());
}
