//! A scan directory whose guardian and supervisor have to live through something.

use std::ops::Deref;
use std::thread;
use std::time::Duration;

use super::common::processes::Process;
use super::common::{Family, Sandbox, expect};
use super::scene::{STAYS, Scene};

pub(crate) struct Ordeal {
    pub(crate) scene: Scene,
    pub(crate) guardian: Process,
    pub(crate) supervisor: Process,
}

impl Deref for Ordeal {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Ordeal {
    /// With these services, of which each stays, and all of them up.
    pub(crate) fn new(label: &str, services: &[&str]) -> Self {
        let sandbox = Sandbox::new(label, Family::Ours).unwrap();
        services.iter().for_each(|service| sandbox.file(&format!("{service}/run"), STAYS));
        let mut scene = Scene::of(sandbox);
        scene.open();
        let ordeal = Ordeal::of(scene);
        for service in services {
            ordeal.started(service);
        }
        ordeal
    }

    /// Over a scene whose scanner has been started.
    pub(crate) fn of(scene: Scene) -> Self {
        let supervisor = scene.supervisor();
        // the table is written at the end of its start-up
        scene.sandbox.wait_for("the supervisor to be at work", || {
            let view = pinfold::table::read(&scene.run()).map_err(|error| error.to_string())?;
            expect(view.head.supervisor.is_some_and(|who| who.pid == supervisor.pid), view.head.supervisor)
        });
        let guardian = scene.guardian();
        Ordeal { scene, guardian, supervisor }
    }

    /// A service does as it is told.
    #[track_caller]
    pub(crate) fn works(&self, service: &str) {
        self.svc("-u", service);
        let before = self.started(service);
        self.svc("-t", service);
        self.other(service, before);
        self.svc("-d", service);
        self.sandbox.down(service);
        self.svc("-u", service);
        self.started(service);
        assert_eq!(self.copies(service).len(), 1, "{:?}\n{}", self.copies(service), self.sandbox.reports());
    }

    /// What is tried again every second is tried a few times.
    pub(crate) fn while_it_lasts(&self) {
        thread::sleep(Duration::from_millis(3500)); // bounded: waits for nothing, a loop would show
    }

    /// So many lines of svscan's have all these words, at most; and at least one.
    #[track_caller]
    pub(crate) fn said_at_most(&self, times: usize, words: &[&str]) {
        let said = self.said(words);
        assert!((1..=times).contains(&said), "{said} times {words:?}:\n{}", self.sandbox.reports());
    }

    /// Neither guardian nor supervisor has ended.
    #[track_caller]
    pub(crate) fn unharmed(&self) {
        let reports = self.sandbox.reports();
        assert!(self.guardian.is_alive() && self.supervisor.is_alive(), "{reports}");
        assert!(!reports.contains("starting another") && !reports.contains("panicked"), "{reports}");
    }

    /// The same, when the catcher was killed.
    #[track_caller]
    pub(crate) fn unharmed_but_for_the_catcher(&self) {
        let reports = self.sandbox.reports();
        assert!(
            self.guardian.is_alive() && self.supervisor.is_alive() && !reports.contains("panicked"),
            "{reports}"
        );
    }

    /// It is over: all these services work, and in the end nothing is left.
    #[track_caller]
    pub(crate) fn over(mut self, services: &[&str]) {
        self.unharmed();
        services.iter().for_each(|service| self.works(service));
        self.unharmed();
        self.scene.end();
    }
}
