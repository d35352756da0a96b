-- More fuel than a row may have.
SET 'table.exec.wasm.fuel-per-row' = '2000000000';
