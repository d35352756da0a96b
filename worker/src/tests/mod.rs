//! Whole job graphs: in one process, and over two workers with a stand-in for the control plane.

mod alignment;
mod backpressure;
mod barriers;
mod cluster;
mod graphs;
mod jobs;
mod local;
mod suspended;
