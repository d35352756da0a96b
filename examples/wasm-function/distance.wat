;; A function for Weir in WebAssembly's text format: the distance of two points of a plane.
(module
  (func (export "distance(DOUBLE, DOUBLE, DOUBLE, DOUBLE) -> DOUBLE")
    (param $x1 f64) (param $y1 f64) (param $x2 f64) (param $y2 f64) (result f64)
    (f64.sqrt (f64.add
      (f64.mul (f64.sub (local.get $x1) (local.get $x2)) (f64.sub (local.get $x1) (local.get $x2)))
      (f64.mul (f64.sub (local.get $y1) (local.get $y2)) (f64.sub (local.get $y1) (local.get $y2)))))))
