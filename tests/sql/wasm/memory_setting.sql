-- No size.
SET 'table.exec.wasm.memory' = '64 pages';
