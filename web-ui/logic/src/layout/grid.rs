//! Frames in layers, ordered and placed.

use super::{Sizes, task::Tasks};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// A task, by its place in the list.
    Frame(usize),
    /// Where an edge, by its place in the graph's edges, passes a layer.
    Waypoint(usize),
}

pub(super) struct Item {
    pub(super) role: Role,
    pub(super) layer: usize,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) y: f64,
}

impl Item {
    pub(super) fn center(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// Frames and waypoints in layers, each from top to bottom.
pub(super) struct Grid {
    pub(super) layers: Vec<Vec<Item>>,
    /// Pairs in neighbouring layers, left and right.
    pairs: Vec<(Role, Role)>,
}

/// The height that a passing edge takes.
const WAYPOINT_HEIGHT: f64 = 24.0;

impl Grid {
    pub(super) fn of(tasks: &Tasks, sizes: &Sizes) -> Self {
        let layer_of = layers(tasks);
        let layer_count = layer_of.iter().max().map_or(0, |l| l + 1);
        let mut layers: Vec<Vec<Item>> = (0..layer_count).map(|_| Vec::new()).collect();
        let mut pairs = Vec::new();
        for (at, task) in tasks.list.iter().enumerate() {
            let layer = layer_of[at];
            let (width, height) = (task.width, task.height);
            layers[layer].push(Item {
                role: Role::Frame(at),
                layer,
                width,
                height,
                y: 0.0,
            });
        }
        for (edge, from, to) in &tasks.edges {
            let mut last = Role::Frame(*from);
            let between = layer_of[*from] + 1..layer_of[*to];
            for (layer, items) in layers
                .iter_mut()
                .enumerate()
                .filter(|(layer, _)| between.contains(layer))
            {
                let role = Role::Waypoint(*edge);
                items.push(Item {
                    role,
                    layer,
                    width: 0.0,
                    height: WAYPOINT_HEIGHT,
                    y: 0.0,
                });
                pairs.push((last, role));
                last = role;
            }
            pairs.push((last, Role::Frame(*to)));
        }
        let mut grid = Self { layers, pairs };
        grid.stack(sizes.frame_gap);
        grid
    }

    fn stack(&mut self, gap: f64) {
        for layer in &mut self.layers {
            let mut y = 0.0;
            for item in layer {
                item.y = y;
                y += item.height + gap;
            }
        }
    }

    /// Sorts each layer by the mean place of the neighbours on one side, to and fro, which removes most crossings.
    pub(super) fn order(&mut self) {
        for sweep in 0..4 {
            for step in 1..self.layers.len() {
                let forth = sweep % 2 == 0;
                let layer = if forth { step } else { self.layers.len() - 1 - step };
                let places = self.wanted(layer, forth, |place, _| place as f64);
                let mut items: Vec<_> = self.layers[layer].drain(..).zip(places).enumerate().collect();
                // An item without neighbours keeps its place.
                items.sort_by(|(at_a, (_, a)), (at_b, (_, b))| {
                    let place = |at: usize, wanted: Option<f64>| wanted.unwrap_or(at as f64);
                    place(*at_a, *a).total_cmp(&place(*at_b, *b)).then(at_a.cmp(at_b))
                });
                self.layers[layer] = items.into_iter().map(|(_, (item, _))| item).collect();
            }
        }
    }

    /// Moves each item towards the middle of its neighbours, as far as those above and below let it.
    pub(super) fn place_vertically(&mut self, gap: f64) {
        self.stack(gap);
        for sweep in 0..6 {
            for step in 1..self.layers.len() {
                let forth = sweep % 2 == 0;
                let layer = if forth { step } else { self.layers.len() - 1 - step };
                let centers = self.wanted(layer, forth, |_, item| item.center());
                settle(&mut self.layers[layer], &centers, gap);
            }
        }
        let top = self
            .layers
            .iter()
            .flatten()
            .map(|i| i.y)
            .fold(f64::INFINITY, f64::min);
        for item in self.layers.iter_mut().flatten() {
            item.y -= top;
        }
    }

    /// For each item of a layer, the mean of a measure of its neighbours on the left (or right); none without any.
    fn wanted(&self, layer: usize, on_left: bool, measure: impl Fn(usize, &Item) -> f64) -> Vec<Option<f64>> {
        let beside = &self.layers[if on_left { layer - 1 } else { layer + 1 }];
        let mean = |item: &Item| {
            let measures: Vec<f64> = beside
                .iter()
                .enumerate()
                .filter(|(_, other)| {
                    let pair = if on_left {
                        (other.role, item.role)
                    } else {
                        (item.role, other.role)
                    };
                    self.pairs.contains(&pair)
                })
                .map(|(place, other)| measure(place, other))
                .collect();
            (!measures.is_empty()).then(|| measures.iter().sum::<f64>() / measures.len() as f64)
        };
        self.layers[layer].iter().map(mean).collect()
    }

    pub(super) fn layer_lefts(&self, gap: f64) -> Vec<f64> {
        let mut left = 0.0;
        let mut lefts = Vec::new();
        for layer in &self.layers {
            lefts.push(left);
            left += layer.iter().map(|i| i.width).fold(0.0, f64::max) + gap;
        }
        lefts
    }

    pub(super) fn height(&self) -> f64 {
        self.layers
            .iter()
            .flatten()
            .map(|i| i.y + i.height)
            .fold(0.0, f64::max)
    }

    /// Where an edge passes layers, from left to right.
    pub(super) fn waypoints(&self, edge: usize) -> impl Iterator<Item = &Item> {
        self.layers
            .iter()
            .flatten()
            .filter(move |i| i.role == Role::Waypoint(edge))
    }
}

/// The layer of each task: one more than the last of those that feed it.
fn layers(tasks: &Tasks) -> Vec<usize> {
    let mut layer_of = vec![0; tasks.list.len()];
    // As many rounds as the longest path may have edges: more would mean a cycle, which no job has.
    for _ in 0..tasks.list.len() {
        for (_, from, to) in &tasks.edges {
            layer_of[*to] = layer_of[*to].max(layer_of[*from] + 1).min(tasks.list.len() - 1);
        }
    }
    layer_of
}

/// Places items in order at the centres they want, pushes overlapping ones apart, and shifts all back by the mean push.
fn settle(items: &mut [Item], centers: &[Option<f64>], gap: f64) {
    let mut floor = f64::NEG_INFINITY;
    let mut pushes = Vec::new();
    for (item, center) in items.iter_mut().zip(centers) {
        let wanted = center.map_or(item.y, |c| c - item.height / 2.0);
        item.y = wanted.max(floor);
        floor = item.y + item.height + gap;
        pushes.push(item.y - wanted);
    }
    let mean = pushes.iter().sum::<f64>() / pushes.len().max(1) as f64;
    for item in items {
        item.y -= mean;
    }
}
