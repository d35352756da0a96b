//! Arrow schemas as bytes: an Arrow IPC schema message in a stream with no batches.

use std::sync::Arc;

use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_schema::{ArrowError, Schema, SchemaRef};

/// The schema as an Arrow IPC stream that holds no batches.
pub fn encode(schema: &Schema) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema)?.finish()?;
    Ok(bytes)
}

/// The schema in bytes that [`encode`] made.
pub fn decode(bytes: &[u8]) -> Result<SchemaRef, ArrowError> {
    Ok(Arc::clone(&StreamReader::try_new(bytes, None)?.schema()))
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, TimeUnit};

    use super::*;

    #[test]
    fn a_nested_schema_survives_the_round_trip() {
        let bid = DataType::Struct(vec![Field::new("price", DataType::Int64, true)].into());
        let schema = Schema::new(vec![
            Field::new("bid", bid, true),
            Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        ]);
        let decoded = decode(&encode(&schema).expect("encodes")).expect("decodes");
        assert_eq!(*decoded, schema);
    }
}
