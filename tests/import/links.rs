//! Service directories, linked.

use std::fs;

use crate::house::{House, STAYS, contains};

#[test]
fn a_service_directory_becomes_a_link_and_runs() {
    let house = House::new("import-link");
    house.service("taken", STAYS, &[]);
    let sv = house.lab("sv");
    for (name, run) in
        [("web", "exec sleep 1000000"), ("taken", "exec sleep 1"), ("odd", "su - nobody -c sleep")]
    {
        let directory = sv.join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("run"), format!("#!/bin/sh\n{run}\n")).unwrap();
        fs::set_permissions(directory.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    let house = house.scanned();
    let at = |name: &str| sv.join(name).to_str().unwrap().to_owned();

    let said = house.done("pinfold", &["import", "--dry-run", &at("web")]);
    contains(&said, "web: would be linked to ");
    assert!(!house.path("web").exists());
    let said = house.done("pinfold", &["import", &at("web")]);
    contains(&said, "web: linked to ");
    assert_eq!(fs::read_link(house.path("web")).unwrap(), fs::canonicalize(sv.join("web")).unwrap());
    house.sandbox.up("web");

    // what is noteworthy is said, and is no failure
    contains(&house.done("pinfold", &["import", &at("odd")]), "su moves the service into a login session");

    let refused = house.fails("pinfold", &["import", &at("taken")]);
    contains(&refused, "taken: file exists");
    contains(&house.fails("pinfold", &["import", "--name", "again", &at("web")]), "is already there, as ");
    contains(
        &house.fails("pinfold", &["import", sv.to_str().unwrap()]),
        "is a directory of services, not one",
    );
    contains(&house.fails("pinfold", &["import", &at("nowhere")]), "does not exist");
    assert_eq!(house.run("pinfold", &["import", "--name", "a", &at("web"), &at("odd")]).code, 2);

    // supervised, from another scan directory
    let other = house.lab("other");
    fs::create_dir(&other).unwrap();
    let into = ["import", "--into", other.to_str().unwrap(), &at("web")];
    contains(&house.fails("pinfold", &into), "is supervised already");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
}
