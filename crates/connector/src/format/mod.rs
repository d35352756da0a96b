//! Formats: JSON and CSV from and to Arrow.
