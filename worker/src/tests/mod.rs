//! Whole job graphs: in one process, and over two workers with a stand-in for the control plane.

mod alignment;
mod barriers;
mod cluster;
mod graphs;
mod local;
mod suspended;
