;; A function of batches: each text's first byte, and null for an empty text.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (func (export "alloc") (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.and (i32.add (i32.add (local.get $at) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
    (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $bytes) (i32.const 16)))))
    (local.get $at))
  (func (export "batch initial(STRING) -> STRING") (param $rows i32) (param $columns i32)
    (local $row i32) (local $from i32) (local $length i32) (local $out i32) (local $offsets i32) (local $to i32)
    (local.set $out (i32.const 0))
    ;; The result's text lies where nothing else does: at 512.
    (local.set $offsets (i32.load offset=24 (local.get $columns)))
    (i32.store offset=20 (local.get $columns) (i32.const 512))
    (i32.store (local.get $offsets) (i32.const 0))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
      (local.set $from (i32.load (i32.add (i32.load offset=8 (local.get $columns)) (i32.mul (local.get $row) (i32.const 4)))))
      (local.set $length (i32.sub
        (i32.load offset=4 (i32.add (i32.load offset=8 (local.get $columns)) (i32.mul (local.get $row) (i32.const 4))))
        (local.get $from)))
      (if (local.get $length)
        (then
          (i32.store8 (i32.add (i32.const 512) (local.get $to))
            (i32.load8_u (i32.add (i32.load offset=4 (local.get $columns)) (local.get $from))))
          (local.set $to (i32.add (local.get $to) (i32.const 1))))
        (else
          (local.set $out (i32.add (i32.load offset=16 (local.get $columns)) (i32.shr_u (local.get $row) (i32.const 3))))
          (i32.store8 (local.get $out) (i32.and
            (i32.load8_u (local.get $out))
            (i32.xor (i32.const -1) (i32.shl (i32.const 1) (i32.and (local.get $row) (i32.const 7))))))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (i32.store (i32.add (local.get $offsets) (i32.mul (local.get $row) (i32.const 4))) (local.get $to))
      (br $next)))))
