//! Physical expressions, decoded and evaluated over batches.
