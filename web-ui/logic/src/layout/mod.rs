//! Where the operators and edges of a job graph are drawn.
//!
//! A layered drawing from left to right (after Sugiyama, Tagawa, Toda 1981). The units of the layering are tasks: the
//! operators of one task are chained and share a frame, in which they flow from top to bottom. An edge that spans
//! several layers gets a waypoint in each layer between, so that it passes between the frames and not over them.

//!
//! - [`task`]: the frame of a task and the operators in it.
//! - [`grid`]: frames in layers, ordered and placed.
//! - [`link`]: the lines between operators.

mod grid;
mod link;
mod task;

use std::collections::BTreeMap;

use weir_model::{OperatorId, TaskId, graph::Graph};

use self::{
    grid::{Grid, Role},
    link::links,
    task::Tasks,
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

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "sums of small whole numbers are exact")]
mod tests {
    use weir_model::graph::{Edge, Operator, OperatorKind, Partitioning};

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
            late: false,
            dead_letters: false,
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
            late: false,
            dead_letters: false,
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
