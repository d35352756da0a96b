;; Asks for 16 MiB when it is called.
(module
  (memory (export "memory") 1)
  (func (export "grow(INT) -> INT") (param i32) (result i32) (memory.grow (i32.const 256))))
