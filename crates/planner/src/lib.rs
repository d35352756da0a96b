//! weir-planner
