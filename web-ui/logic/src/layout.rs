//! Where the operators and edges of a job graph are drawn.
//!
//! A layered drawing from left to right (after Sugiyama, Tagawa, Toda 1981). The units of the layering are tasks: the
//! operators of one task are chained and share a frame, in which they flow from top to bottom. An edge that spans
//! several layers gets a waypoint in each layer between, so that it passes between the frames and not over them.

use std::{collections::BTreeMap, fmt::Write};

use weir_model::{
    OperatorId, TaskId,
    graph::{Edge, Graph},
};

/// The measures of a drawing, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Width of an operator.
    pub node_width: f64,
    /// Height of an operator.
    pub node_height: f64,
    /// Between chained operators.
    pub node_gap: f64,
    /// Between a frame and the operators in it.
    pub frame_padding: f64,
    /// At the top of a frame, for its title.
    pub frame_header: f64,
    /// Between frames above each other.
    pub frame_gap: f64,
    /// Between layers, where edges and their labels are.
    pub layer_gap: f64,
}

/// A box. `x` and `y` are its upper left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

impl Rect {
    fn center_y(&self) -> f64 {
        self.y + self.height / 2.0
    }

    fn center_x(&self) -> f64 {
        self.x + self.width / 2.0
    }
}

/// A drawing, from (0, 0) to (`width`, `height`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Of all of it.
    pub width: f64,
    /// Of all of it.
    pub height: f64,
    /// One per task.
    pub frames: Vec<Frame>,
    /// One per operator, in the graph's order.
    pub nodes: Vec<Node>,
    /// One per edge, in the graph's order.
    pub links: Vec<Link>,
}

/// A task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Which.
    pub task: TaskId,
    /// Where.
    pub rect: Rect,
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Which.
    pub operator: OperatorId,
    /// Where.
    pub rect: Rect,
}

/// An edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its place in the graph's list of edges.
    pub edge: usize,
    /// Whether it is a direct call within a task.
    pub is_chained: bool,
    /// SVG path data.
    pub path: String,
    /// Where its label's middle is.
    pub label: (f64, f64),
}

/// Lays a graph out. Edges to operators that the graph lacks are left out.
pub fn layout(graph: &Graph, sizes: &Sizes) -> Layout {
    let tasks = Tasks::of(graph, sizes);
    let mut grid = Grid::of(&tasks, sizes);
    grid.order();
    grid.place_vertically(sizes.frame_gap);
    let lefts = grid.layer_lefts(sizes.layer_gap);

    let mut frames = Vec::new();
    let mut inner = BTreeMap::new();
    for item in grid.layers.iter().flatten() {
        if let Role::Frame(task) = item.role {
            let rect = Rect {
                x: lefts[item.layer],
                y: item.y,
                width: item.width,
                height: item.height,
            };
            frames.push(Frame {
                task: tasks.list[task].id,
                rect,
            });
            for (operator, within) in &tasks.list[task].nodes {
                inner.insert(
                    *operator,
                    Rect {
                        x: rect.x + within.x,
                        y: rect.y + within.y,
                        ..*within
                    },
                );
            }
        }
    }
    let right = |frame: &Frame| frame.rect.x + frame.rect.width;
    Layout {
        width: frames.iter().map(right).fold(0.0, f64::max),
        height: grid.height(),
        nodes: graph
            .operators
            .iter()
            .map(|o| Node {
                operator: o.id,
                rect: inner[&o.id],
            })
            .collect(),
        links: links(graph, &tasks, &grid, &lefts, &inner),
        frames,
    }
}

/// A task with its operators placed within its frame.
struct Task {
    id: TaskId,
    width: f64,
    height: f64,
    nodes: Vec<(OperatorId, Rect)>,
}

struct Tasks {
    list: Vec<Task>,
    /// From an operator to its task's place in the list.
    of_operator: BTreeMap<OperatorId, usize>,
    /// Edges between tasks: place in the graph's edges, and in the list of tasks from and to.
    edges: Vec<(usize, usize, usize)>,
}

impl Tasks {
    fn of(graph: &Graph, sizes: &Sizes) -> Self {
        let mut members: Vec<(TaskId, Vec<OperatorId>)> = Vec::new();
        let mut of_operator = BTreeMap::new();
        for operator in &graph.operators {
            let at = members
                .iter()
                .position(|(task, _)| *task == operator.task)
                .unwrap_or_else(|| {
                    members.push((operator.task, Vec::new()));
                    members.len() - 1
                });
            members[at].1.push(operator.id);
            of_operator.insert(operator.id, at);
        }
        let ends = |e: &Edge| Some((*of_operator.get(&e.from)?, *of_operator.get(&e.to)?));
        let edges = graph
            .edges
            .iter()
            .enumerate()
            .filter_map(|(at, edge)| ends(edge).map(|(from, to)| (at, from, to)))
            .filter(|(_, from, to)| from != to)
            .collect();
        let list = members
            .into_iter()
            .map(|(id, operators)| chain(id, &operators, graph, sizes))
            .collect();
        Self {
            list,
            of_operator,
            edges,
        }
    }
}

/// Places the operators of a task: each below those that feed it, those of one depth side by side.
fn chain(id: TaskId, operators: &[OperatorId], graph: &Graph, sizes: &Sizes) -> Task {
    let mut rows: Vec<Vec<OperatorId>> = Vec::new();
    let mut depths = BTreeMap::new();
    for operator in operators {
        let feeders = graph
            .edges
            .iter()
            .filter(|e| e.to == *operator)
            .filter_map(|e| depths.get(&e.from));
        let depth: usize = feeders.max().map_or(0, |d| d + 1);
        depths.insert(*operator, depth);
        rows.resize_with(rows.len().max(depth + 1), Vec::new);
        rows[depth].push(*operator);
    }
    let row_width = |n: usize| n as f64 * (sizes.node_width + sizes.node_gap) - sizes.node_gap;
    let widest = rows.iter().map(|r| row_width(r.len())).fold(0.0, f64::max);
    let mut nodes = Vec::new();
    for (depth, row) in rows.iter().enumerate() {
        let left = sizes.frame_padding + (widest - row_width(row.len())) / 2.0;
        let y = sizes.frame_header + depth as f64 * (sizes.node_height + sizes.node_gap);
        for (column, operator) in row.iter().enumerate() {
            let x = left + column as f64 * (sizes.node_width + sizes.node_gap);
            nodes.push((
                *operator,
                Rect {
                    x,
                    y,
                    width: sizes.node_width,
                    height: sizes.node_height,
                },
            ));
        }
    }
    let height = rows.len() as f64 * (sizes.node_height + sizes.node_gap) - sizes.node_gap;
    Task {
        id,
        width: widest + 2.0 * sizes.frame_padding,
        height: sizes.frame_header + height + sizes.frame_padding,
        nodes,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// A task, by its place in the list.
    Frame(usize),
    /// Where an edge, by its place in the graph's edges, passes a layer.
    Waypoint(usize),
}

struct Item {
    role: Role,
    layer: usize,
    width: f64,
    height: f64,
    y: f64,
}

impl Item {
    fn center(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// Frames and waypoints in layers, each from top to bottom.
struct Grid {
    layers: Vec<Vec<Item>>,
    /// Pairs in neighbouring layers, left and right.
    pairs: Vec<(Role, Role)>,
}

/// The height that a passing edge takes.
const WAYPOINT_HEIGHT: f64 = 24.0;

impl Grid {
    fn of(tasks: &Tasks, sizes: &Sizes) -> Self {
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
    fn order(&mut self) {
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
    fn place_vertically(&mut self, gap: f64) {
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

    fn layer_lefts(&self, gap: f64) -> Vec<f64> {
        let mut left = 0.0;
        let mut lefts = Vec::new();
        for layer in &self.layers {
            lefts.push(left);
            left += layer.iter().map(|i| i.width).fold(0.0, f64::max) + gap;
        }
        lefts
    }

    fn height(&self) -> f64 {
        self.layers
            .iter()
            .flatten()
            .map(|i| i.y + i.height)
            .fold(0.0, f64::max)
    }

    /// Where an edge passes layers, from left to right.
    fn waypoints(&self, edge: usize) -> impl Iterator<Item = &Item> {
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

fn links(
    graph: &Graph,
    tasks: &Tasks,
    grid: &Grid,
    lefts: &[f64],
    nodes: &BTreeMap<OperatorId, Rect>,
) -> Vec<Link> {
    let layer_of: BTreeMap<usize, usize> = grid
        .layers
        .iter()
        .flatten()
        .filter_map(|i| {
            if let Role::Frame(task) = i.role {
                Some((task, i.layer))
            } else {
                None
            }
        })
        .collect();
    let layer_width = |layer: usize| grid.layers[layer].iter().map(|i| i.width).fold(0.0, f64::max);
    let link = |(at, edge): (usize, &Edge)| {
        let (from, to) = (nodes.get(&edge.from)?, nodes.get(&edge.to)?);
        let (from_task, to_task) = (tasks.of_operator[&edge.from], tasks.of_operator[&edge.to]);
        if from_task == to_task {
            return Some(chained(at, from, to));
        }
        let mut points = vec![(from.x + from.width, from.center_y())];
        for passed in grid.waypoints(at) {
            let left = lefts[passed.layer];
            points.push((left, passed.center()));
            points.push((left + layer_width(passed.layer), passed.center()));
        }
        points.push((to.x, to.center_y()));
        let frame_end = lefts[layer_of[&from_task]] + layer_width(layer_of[&from_task]);
        let gap_end = *lefts.get(layer_of[&from_task] + 1)?;
        let label = (
            f64::midpoint(frame_end, gap_end),
            f64::midpoint(points[0].1, points[1].1),
        );
        Some(Link {
            edge: at,
            is_chained: false,
            path: curve(&points),
            label,
        })
    };
    graph.edges.iter().enumerate().filter_map(link).collect()
}

fn chained(edge: usize, from: &Rect, to: &Rect) -> Link {
    let (x1, y1) = (from.center_x(), from.y + from.height);
    let (x2, y2) = (to.center_x(), to.y);
    let middle = f64::midpoint(y1, y2);
    Link {
        edge,
        is_chained: true,
        path: format!("M{x1:.1} {y1:.1}C{x1:.1} {middle:.1} {x2:.1} {middle:.1} {x2:.1} {y2:.1}"),
        label: (f64::midpoint(x1, x2), middle),
    }
}

/// A curve through the points that is level at each.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
        let middle = f64::midpoint(x1, x2);
        let _ = write!(path, "C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}");
    }
    path
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "sums of small whole numbers are exact")]
mod tests {
    use weir_model::graph::{Operator, OperatorKind, Partitioning};

    use super::*;

    const SIZES: Sizes = Sizes {
        node_width: 200.0,
        node_height: 80.0,
        node_gap: 20.0,
        frame_padding: 10.0,
        frame_header: 30.0,
        frame_gap: 40.0,
        layer_gap: 120.0,
    };

    /// A graph with the task of each operator, and its edges by the operators' places.
    fn graph(tasks: &[u32], edges: &[(u32, u32)]) -> Graph {
        let operator = |(id, task): (usize, &u32)| Operator {
            id: OperatorId(id as u32),
            uid: format!("op-{id}"),
            kind: OperatorKind::Calc,
            name: "Calc".to_owned(),
            description: String::new(),
            task: TaskId(*task),
            parallelism: 1,
            output: Vec::new(),
        };
        let edge = |(from, to): &(u32, u32)| Edge {
            from: OperatorId(*from),
            to: OperatorId(*to),
            partitioning: Partitioning::Forward,
        };
        Graph {
            operators: tasks.iter().enumerate().map(operator).collect(),
            edges: edges.iter().map(edge).collect(),
        }
    }

    fn overlaps(a: &Rect, b: &Rect) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    /// What holds for every drawing.
    fn check(graph: &Graph) -> Layout {
        let layout = layout(graph, &SIZES);
        assert_eq!(layout.nodes.len(), graph.operators.len());
        assert_eq!(layout.links.len(), graph.edges.len());
        for (at, a) in layout.frames.iter().enumerate() {
            assert!(a.rect.x >= 0.0 && a.rect.y >= 0.0, "{a:?} is within the drawing");
            assert!(a.rect.x + a.rect.width <= layout.width && a.rect.y + a.rect.height <= layout.height);
            for b in &layout.frames[at + 1..] {
                assert!(!overlaps(&a.rect, &b.rect), "{a:?} and {b:?} overlap");
            }
        }
        for (node, operator) in layout.nodes.iter().zip(&graph.operators) {
            let frame = layout
                .frames
                .iter()
                .find(|f| f.task == operator.task)
                .expect("each task has a frame");
            assert!(overlaps(&node.rect, &frame.rect), "{node:?} is in its frame");
            assert_eq!(
                layout
                    .frames
                    .iter()
                    .filter(|f| overlaps(&f.rect, &node.rect))
                    .count(),
                1
            );
        }
        layout
    }

    fn node(layout: &Layout, operator: u32) -> Rect {
        layout.nodes[operator as usize].rect
    }

    #[test]
    fn an_empty_graph_takes_no_room() {
        assert_eq!(layout(&Graph::default(), &SIZES), Layout::default());
    }

    #[test]
    fn chained_operators_flow_down_and_tasks_flow_right() {
        let layout = check(&graph(&[0, 0, 1, 1], &[(0, 1), (1, 2), (2, 3)]));
        assert_eq!(layout.frames.len(), 2);
        assert!(node(&layout, 0).y < node(&layout, 1).y);
        assert_eq!(node(&layout, 0).x, node(&layout, 1).x);
        assert!(node(&layout, 1).x + 200.0 < node(&layout, 2).x);
        assert_eq!(
            layout.links.iter().map(|l| l.is_chained).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert_eq!(layout.width, 2.0 * 220.0 + 120.0);
        assert_eq!(layout.height, 30.0 + 2.0 * 80.0 + 20.0 + 10.0);
    }

    #[test]
    fn a_branch_within_a_task_stands_side_by_side() {
        let layout = check(&graph(&[0, 0, 0], &[(0, 1), (0, 2)]));
        assert_eq!(node(&layout, 1).y, node(&layout, 2).y);
        assert!(!overlaps(&node(&layout, 1), &node(&layout, 2)));
        assert_eq!(
            node(&layout, 0).center_x(),
            f64::midpoint(node(&layout, 1).center_x(), node(&layout, 2).center_x())
        );
    }

    #[test]
    fn a_diamond_is_symmetric() {
        let layout = check(&graph(&[0, 1, 2, 3], &[(0, 1), (0, 2), (1, 3), (2, 3)]));
        assert_eq!(node(&layout, 1).x, node(&layout, 2).x);
        let middle = f64::midpoint(node(&layout, 1).center_y(), node(&layout, 2).center_y());
        assert!((node(&layout, 0).center_y() - middle).abs() < 1.0);
        assert!((node(&layout, 3).center_y() - middle).abs() < 1.0);
    }

    #[test]
    fn two_lines_that_would_cross_are_uncrossed() {
        // 0 and 1 feed 3 and 2: in order of appearance, the edges would cross.
        let layout = check(&graph(&[0, 1, 2, 3], &[(0, 3), (1, 2)]));
        assert_eq!(
            node(&layout, 0).y < node(&layout, 1).y,
            node(&layout, 3).y < node(&layout, 2).y
        );
    }

    #[test]
    fn a_long_edge_passes_beside_the_frames_between() {
        let layout = check(&graph(&[0, 1, 2], &[(0, 1), (1, 2), (0, 2)]));
        let (x, y) = layout.links[2].label;
        assert!(x > node(&layout, 0).x && x < node(&layout, 1).x);
        let between = layout
            .frames
            .iter()
            .find(|f| f.task == TaskId(1))
            .expect("the frame between")
            .rect;
        let passes: Vec<&str> = layout.links[2].path.split('C').collect();
        assert_eq!(
            passes.len(),
            4,
            "three pieces: to, past and from the layer between"
        );
        let at_layer: f64 = passes[1]
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number");
        assert!(
            at_layer < between.y || at_layer > between.y + between.height,
            "{at_layer} is not over {between:?}"
        );
        assert!(y >= 0.0 && y <= layout.height);
    }

    #[test]
    fn an_edge_to_nowhere_is_left_out() {
        let mut graph = graph(&[0, 1], &[(0, 1)]);
        graph.edges.push(Edge {
            from: OperatorId(0),
            to: OperatorId(9),
            partitioning: Partitioning::Forward,
        });
        assert_eq!(layout(&graph, &SIZES).links.len(), 1);
    }

    #[test]
    fn many_branches_do_not_overlap() {
        let tasks: Vec<u32> = (0..12).collect();
        let edges = [
            (0, 4),
            (1, 4),
            (2, 5),
            (3, 5),
            (4, 6),
            (5, 6),
            (6, 7),
            (6, 8),
            (6, 9),
            (0, 10),
            (10, 11),
            (3, 11),
        ];
        check(&graph(&tasks, &edges));
    }
}
