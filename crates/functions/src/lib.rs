//! The functions of Flink's SQL, as vectorised functions over Arrow columns.
