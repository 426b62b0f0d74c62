;; scale(from, to, count, factor): f32[to + 4 i] = u8[from + i] * factor for i in 0 .. count-1; count is a multiple of 16.
(module
  (import "env" "memory" (memory 1))
  (func (export "scale") (param $from i32) (param $to i32) (param $count i32) (param $factor f32)
    (local $end i32) (local $bytes v128) (local $low v128) (local $high v128) (local $by v128)
    (local.set $end (i32.add (local.get $from) (local.get $count)))
    (local.set $by (f32x4.splat (local.get $factor)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $bytes (v128.load (local.get $from)))
        (local.set $low (i16x8.extend_low_i8x16_u (local.get $bytes)))
        (local.set $high (i16x8.extend_high_i8x16_u (local.get $bytes)))
        (v128.store (local.get $to)
          (f32x4.mul (f32x4.convert_i32x4_u (i32x4.extend_low_i16x8_u (local.get $low))) (local.get $by)))
        (v128.store offset=16 (local.get $to)
          (f32x4.mul (f32x4.convert_i32x4_u (i32x4.extend_high_i16x8_u (local.get $low))) (local.get $by)))
        (v128.store offset=32 (local.get $to)
          (f32x4.mul (f32x4.convert_i32x4_u (i32x4.extend_low_i16x8_u (local.get $high))) (local.get $by)))
        (v128.store offset=48 (local.get $to)
          (f32x4.mul (f32x4.convert_i32x4_u (i32x4.extend_high_i16x8_u (local.get $high))) (local.get $by)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (local.set $to (i32.add (local.get $to) (i32.const 64)))
        (br $next)))))
