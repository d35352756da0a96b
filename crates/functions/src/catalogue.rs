//! Every function that Flink has, and what becomes of it here.
