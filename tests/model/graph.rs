//! What the search needs of graphs and hashes.

use crate::explore::{Edge, Explored};
use std::hash::Hasher;

/// The strongly connected parts of a graph of worlds (Tarjan's algorithm, without recursion).
pub(crate) struct Parts {
    parts: Vec<Vec<u32>>,
    /// The part of each world.
    of: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// Where the walk stands: a world, and how many of its edges are done.
type Open = (u32, usize);

struct Walk<'a> {
    graph: &'a Explored,
    parts: Parts,
    order: Vec<u32>,
    low: Vec<u32>,
    stack: Vec<u32>,
    next: u32,
}

impl Parts {
    /// The parts of those worlds and edges that the filters let through.
    pub(crate) fn of(graph: &Explored, world: impl Fn(u32) -> bool, edge: impl Fn(&Edge) -> bool) -> Parts {
        let n = graph.worlds.len();
        let parts = Parts { parts: Vec::new(), of: vec![NONE; n] };
        let mut walk =
            Walk { graph, parts, order: vec![NONE; n], low: vec![NONE; n], stack: Vec::new(), next: 0 };
        for root in (0..n as u32).filter(|&at| world(at)) {
            let mut open = Vec::new();
            if walk.order[root as usize] == NONE {
                open.push((root, 0));
            }
            while let Some(at) = open.pop() {
                walk.visit(at, &mut open, |e| edge(e) && world(e.to));
            }
        }
        walk.parts
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Vec<u32>> {
        self.parts.iter()
    }

    pub(crate) fn are_one(&self, a: u32, b: u32) -> bool {
        self.of[a as usize] == self.of[b as usize]
    }
}

impl Walk<'_> {
    fn visit(&mut self, (at, done): Open, open: &mut Vec<Open>, edge: impl Fn(&Edge) -> bool) {
        let i = at as usize;
        if self.order[i] == NONE {
            (self.order[i], self.low[i]) = (self.next, self.next);
            self.next += 1;
            self.stack.push(at);
        }
        for (n, e) in self.graph.edges(at).iter().enumerate().skip(done).filter(|(_, e)| edge(e)) {
            let to = e.to as usize;
            if self.order[to] == NONE {
                open.extend([(at, n), (e.to, 0)]); // and this edge once more, when `to` is done
                return;
            }
            if self.parts.of[to] == NONE {
                self.low[i] = self.low[i].min(self.low[to]);
            }
        }
        if self.low[i] == self.order[i] {
            let first = self.stack.iter().rposition(|&open| open == at).unwrap_or(0);
            let part = self.stack.split_off(first);
            part.iter().for_each(|&at| self.parts.of[at as usize] = self.parts.parts.len() as u32);
            self.parts.parts.push(part);
        }
    }
}

/// A quick hash for small keys of our own.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u64(u64::from(b)));
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(u64::from(n));
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
