;; Functions of one row's values: their exports' names are their signatures.
(module
  ;; The price after a discount in percent for each 10 bought.
  (func (export "discounted(DOUBLE, INT) -> DOUBLE") (param $price f64) (param $count i32) (result f64)
    (f64.mul (local.get $price)
      (f64.sub (f64.const 1)
        (f64.mul (f64.const 0.01) (f64.convert_i32_s (i32.div_s (local.get $count) (i32.const 10)))))))
  (func (export "is_even(BIGINT) -> BOOLEAN") (param i64) (result i32)
    (i64.eqz (i64.and (local.get 0) (i64.const 1))))
  (func (export "next_hour(TIMESTAMP(3)) -> TIMESTAMP(3)") (param i64) (result i64)
    (i64.add (local.get 0) (i64.const 3600000)))
  (func (export "hundredth_of(INT) -> INT") (param i32) (result i32)
    (i32.div_s (i32.const 100) (local.get 0)))
  (func (export "forever(INT) -> INT") (param i32) (result i32)
    (loop $again (br $again)) (i32.const 0)))
