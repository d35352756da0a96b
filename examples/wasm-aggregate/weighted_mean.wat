;; An aggregate for Weir in WebAssembly's text format: the mean of values, each as heavy as its weight.
;;
;; The state of a group is 16 bytes: the sum of values times weights, and the sum of weights.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  ;; A block never goes back: Weir asks for a larger one now and then.
  (func (export "alloc") (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.and (i32.add (i32.add (local.get $at) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
    (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $bytes) (i32.const 16)))))
    (local.get $at))

  (func $add (param $state i32) (param $sum f64) (param $weight f64)
    (f64.store (local.get $state) (f64.add (f64.load (local.get $state)) (local.get $sum)))
    (f64.store offset=8 (local.get $state) (f64.add (f64.load offset=8 (local.get $state)) (local.get $weight))))

  (func (export "aggregate weighted_mean(DOUBLE, DOUBLE) -> DOUBLE state 16")
    (param $state i32) (param $value f64) (param $weight f64)
    (call $add (local.get $state) (f64.mul (local.get $value) (local.get $weight)) (local.get $weight)))

  (func (export "weighted_mean.retract") (param $state i32) (param $value f64) (param $weight f64)
    (call $add (local.get $state)
      (f64.neg (f64.mul (local.get $value) (local.get $weight))) (f64.neg (local.get $weight))))

  (func (export "weighted_mean.merge") (param $state i32) (param $other i32)
    (call $add (local.get $state) (f64.load (local.get $other)) (f64.load offset=8 (local.get $other))))

  (func (export "weighted_mean.finish") (param $state i32) (result f64)
    (f64.div (f64.load (local.get $state)) (f64.load offset=8 (local.get $state)))))
