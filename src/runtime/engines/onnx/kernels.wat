;; The kernels that onnxruntime does not have, or has only as many operators: random words and their conversions, optimiser rules,
;; finiteness and norms of gradients. All work in place on f32 (or u32) arrays in the imported memory, which also backs the tensors
;; that onnxruntime reads and writes.
;;
;; Every array starts at a multiple of 16 bytes and may be read and written up to the next multiple of 64 bytes: the kernels always
;; take whole vectors. Lengths are in elements. Compiled to kernels-wasm.ts by scripts/build-wasm.mjs.
(module
  (import "env" "memory" (memory 1))

  ;; ---------------------------------------------------------------------------------------------------------------- random numbers

  ;; Threefry-2x32, 20 rounds (Salmon et al. 2011), for eight counters at once: (a, b) and (c, d) are each four pairs of words. The two
  ;; halves are interleaved because each alone is a chain of dependent instructions. Rotations by whole bytes are shuffles.
  (func $threefry (param $a v128) (param $b v128) (param $c v128) (param $d v128) (param $k0 v128) (param $k1 v128) (param $k2 v128)
    (result v128 v128 v128 v128)
    (local.set $a (i32x4.add (local.get $a) (local.get $k0))) (local.set $b (i32x4.add (local.get $b) (local.get $k1)))
    (local.set $c (i32x4.add (local.get $c) (local.get $k0))) (local.set $d (i32x4.add (local.get $d) (local.get $k1)))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 13)) (i32x4.shr_u (local.get $b) (i32.const 19)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 13)) (i32x4.shr_u (local.get $d) (i32.const 19)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 15)) (i32x4.shr_u (local.get $b) (i32.const 17)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 15)) (i32x4.shr_u (local.get $d) (i32.const 17)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 26)) (i32x4.shr_u (local.get $b) (i32.const 6)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 26)) (i32x4.shr_u (local.get $d) (i32.const 6)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 6)) (i32x4.shr_u (local.get $b) (i32.const 26)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 6)) (i32x4.shr_u (local.get $d) (i32.const 26)))))
    ;; key injection 1
    (local.set $a (i32x4.add (local.get $a) (local.get $k1))) (local.set $b (i32x4.add (local.get $b) (i32x4.add (local.get $k2) (v128.const i32x4 1 1 1 1))))
    (local.set $c (i32x4.add (local.get $c) (local.get $k1))) (local.set $d (i32x4.add (local.get $d) (i32x4.add (local.get $k2) (v128.const i32x4 1 1 1 1))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 17)) (i32x4.shr_u (local.get $b) (i32.const 15)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 17)) (i32x4.shr_u (local.get $d) (i32.const 15)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 29)) (i32x4.shr_u (local.get $b) (i32.const 3)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 29)) (i32x4.shr_u (local.get $d) (i32.const 3)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (i8x16.shuffle 2 3 0 1 6 7 4 5 10 11 8 9 14 15 12 13 (local.get $b) (local.get $b))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (i8x16.shuffle 2 3 0 1 6 7 4 5 10 11 8 9 14 15 12 13 (local.get $d) (local.get $d))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (i8x16.shuffle 1 2 3 0 5 6 7 4 9 10 11 8 13 14 15 12 (local.get $b) (local.get $b))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (i8x16.shuffle 1 2 3 0 5 6 7 4 9 10 11 8 13 14 15 12 (local.get $d) (local.get $d))))
    ;; key injection 2
    (local.set $a (i32x4.add (local.get $a) (local.get $k2))) (local.set $b (i32x4.add (local.get $b) (i32x4.add (local.get $k0) (v128.const i32x4 2 2 2 2))))
    (local.set $c (i32x4.add (local.get $c) (local.get $k2))) (local.set $d (i32x4.add (local.get $d) (i32x4.add (local.get $k0) (v128.const i32x4 2 2 2 2))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 13)) (i32x4.shr_u (local.get $b) (i32.const 19)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 13)) (i32x4.shr_u (local.get $d) (i32.const 19)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 15)) (i32x4.shr_u (local.get $b) (i32.const 17)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 15)) (i32x4.shr_u (local.get $d) (i32.const 17)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 26)) (i32x4.shr_u (local.get $b) (i32.const 6)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 26)) (i32x4.shr_u (local.get $d) (i32.const 6)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 6)) (i32x4.shr_u (local.get $b) (i32.const 26)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 6)) (i32x4.shr_u (local.get $d) (i32.const 26)))))
    ;; key injection 3
    (local.set $a (i32x4.add (local.get $a) (local.get $k0))) (local.set $b (i32x4.add (local.get $b) (i32x4.add (local.get $k1) (v128.const i32x4 3 3 3 3))))
    (local.set $c (i32x4.add (local.get $c) (local.get $k0))) (local.set $d (i32x4.add (local.get $d) (i32x4.add (local.get $k1) (v128.const i32x4 3 3 3 3))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 17)) (i32x4.shr_u (local.get $b) (i32.const 15)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 17)) (i32x4.shr_u (local.get $d) (i32.const 15)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 29)) (i32x4.shr_u (local.get $b) (i32.const 3)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 29)) (i32x4.shr_u (local.get $d) (i32.const 3)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (i8x16.shuffle 2 3 0 1 6 7 4 5 10 11 8 9 14 15 12 13 (local.get $b) (local.get $b))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (i8x16.shuffle 2 3 0 1 6 7 4 5 10 11 8 9 14 15 12 13 (local.get $d) (local.get $d))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (i8x16.shuffle 1 2 3 0 5 6 7 4 9 10 11 8 13 14 15 12 (local.get $b) (local.get $b))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (i8x16.shuffle 1 2 3 0 5 6 7 4 9 10 11 8 13 14 15 12 (local.get $d) (local.get $d))))
    ;; key injection 4
    (local.set $a (i32x4.add (local.get $a) (local.get $k1))) (local.set $b (i32x4.add (local.get $b) (i32x4.add (local.get $k2) (v128.const i32x4 4 4 4 4))))
    (local.set $c (i32x4.add (local.get $c) (local.get $k1))) (local.set $d (i32x4.add (local.get $d) (i32x4.add (local.get $k2) (v128.const i32x4 4 4 4 4))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 13)) (i32x4.shr_u (local.get $b) (i32.const 19)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 13)) (i32x4.shr_u (local.get $d) (i32.const 19)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 15)) (i32x4.shr_u (local.get $b) (i32.const 17)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 15)) (i32x4.shr_u (local.get $d) (i32.const 17)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 26)) (i32x4.shr_u (local.get $b) (i32.const 6)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 26)) (i32x4.shr_u (local.get $d) (i32.const 6)))))
    (local.set $a (i32x4.add (local.get $a) (local.get $b))) (local.set $b (v128.xor (local.get $a) (v128.or (i32x4.shl (local.get $b) (i32.const 6)) (i32x4.shr_u (local.get $b) (i32.const 26)))))
    (local.set $c (i32x4.add (local.get $c) (local.get $d))) (local.set $d (v128.xor (local.get $c) (v128.or (i32x4.shl (local.get $d) (i32.const 6)) (i32x4.shr_u (local.get $d) (i32.const 26)))))
    ;; key injection 5
    (local.set $a (i32x4.add (local.get $a) (local.get $k2))) (local.set $b (i32x4.add (local.get $b) (i32x4.add (local.get $k0) (v128.const i32x4 5 5 5 5))))
    (local.set $c (i32x4.add (local.get $c) (local.get $k2))) (local.set $d (i32x4.add (local.get $d) (i32x4.add (local.get $k0) (v128.const i32x4 5 5 5 5))))
    (local.get $a) (local.get $b) (local.get $c) (local.get $d))

  ;; Words of `rows` rows of `count` elements each, one row after the other: element e of a row is word e & 1 of
  ;; threefry(key = (k0, k1), counter = (row, e >> 1)). A row is written in groups of 16, past its end, before the next row is.
  (func (export "words") (param $out i32) (param $rows i32) (param $count i32) (param $key0 i32) (param $key1 i32) (param $row i32)
    (local $k0 v128) (local $k1 v128) (local $k2 v128) (local $r v128) (local $p v128) (local $at i32) (local $end i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $k0 (i32x4.splat (local.get $key0)))
    (local.set $k1 (i32x4.splat (local.get $key1)))
    (local.set $k2 (i32x4.splat (i32.xor (i32.const 0x1BD11BDA) (i32.xor (local.get $key0) (local.get $key1)))))
    (block $done
      (loop $nextRow
        (br_if $done (i32.eqz (local.get $rows)))
        (local.set $r (i32x4.splat (local.get $row)))
        (local.set $p (v128.const i32x4 0 1 2 3))
        (local.set $at (local.get $out))
        (local.set $end (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 2))))
        (loop $next
          (call $threefry
            (local.get $r) (local.get $p) (local.get $r) (i32x4.add (local.get $p) (v128.const i32x4 4 4 4 4))
            (local.get $k0) (local.get $k1) (local.get $k2))
          (local.set $d) (local.set $c) (local.set $b) (local.set $a)
          ;; (a0 a1 a2 a3), (b0 b1 b2 b3) -> a0 b0 a1 b1 | a2 b2 a3 b3
          (v128.store offset=0 (local.get $at) (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $a) (local.get $b)))
          (v128.store offset=16 (local.get $at) (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b)))
          (v128.store offset=32 (local.get $at) (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c) (local.get $d)))
          (v128.store offset=48 (local.get $at) (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c) (local.get $d)))
          (local.set $p (i32x4.add (local.get $p) (v128.const i32x4 8 8 8 8)))
          (local.set $at (i32.add (local.get $at) (i32.const 64)))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (local.set $out (local.get $end))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (br $nextRow))))

  ;; out <- 1 where the uniform of the words above, laid out as they are, is below p, else 0. Pixels that are 0 for sure, most of a
  ;; picture, need no words.
  (func (export "bernoulliRows") (param $out i32) (param $p i32) (param $rows i32) (param $count i32) (param $key0 i32) (param $key1 i32)
    (param $row i32)
    (local $k0 v128) (local $k1 v128) (local $k2 v128) (local $r v128) (local $i v128) (local $at i32) (local $end i32) (local $pRow i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128) (local $zero v128)
    (local.set $k0 (i32x4.splat (local.get $key0)))
    (local.set $k1 (i32x4.splat (local.get $key1)))
    (local.set $k2 (i32x4.splat (i32.xor (i32.const 0x1BD11BDA) (i32.xor (local.get $key0) (local.get $key1)))))
    (local.set $pRow (local.get $p))
    (block $done
      (loop $nextRow
        (br_if $done (i32.eqz (local.get $rows)))
        (local.set $r (i32x4.splat (local.get $row)))
        (local.set $i (v128.const i32x4 0 1 2 3))
        (local.set $at (local.get $out))
        (local.set $p (local.get $pRow))
        (local.set $end (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 2))))
        (loop $next
          (if
            (v128.any_true (v128.or
              (v128.or (f32x4.gt (v128.load offset=0 (local.get $p)) (local.get $zero)) (f32x4.gt (v128.load offset=16 (local.get $p)) (local.get $zero)))
              (v128.or (f32x4.gt (v128.load offset=32 (local.get $p)) (local.get $zero)) (f32x4.gt (v128.load offset=48 (local.get $p)) (local.get $zero)))))
            (then
              (call $threefry
                (local.get $r) (local.get $i) (local.get $r) (i32x4.add (local.get $i) (v128.const i32x4 4 4 4 4))
                (local.get $k0) (local.get $k1) (local.get $k2))
              (local.set $d) (local.set $c) (local.set $b) (local.set $a)
              (v128.store offset=0 (local.get $at) (v128.and (v128.const f32x4 1 1 1 1) (f32x4.lt
                (f32x4.mul (f32x4.convert_i32x4_s (i32x4.shr_u (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $a) (local.get $b)) (i32.const 8))) (v128.const f32x4 0x1p-24 0x1p-24 0x1p-24 0x1p-24))
                (v128.load offset=0 (local.get $p)))))
              (v128.store offset=16 (local.get $at) (v128.and (v128.const f32x4 1 1 1 1) (f32x4.lt
                (f32x4.mul (f32x4.convert_i32x4_s (i32x4.shr_u (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b)) (i32.const 8))) (v128.const f32x4 0x1p-24 0x1p-24 0x1p-24 0x1p-24))
                (v128.load offset=16 (local.get $p)))))
              (v128.store offset=32 (local.get $at) (v128.and (v128.const f32x4 1 1 1 1) (f32x4.lt
                (f32x4.mul (f32x4.convert_i32x4_s (i32x4.shr_u (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c) (local.get $d)) (i32.const 8))) (v128.const f32x4 0x1p-24 0x1p-24 0x1p-24 0x1p-24))
                (v128.load offset=32 (local.get $p)))))
              (v128.store offset=48 (local.get $at) (v128.and (v128.const f32x4 1 1 1 1) (f32x4.lt
                (f32x4.mul (f32x4.convert_i32x4_s (i32x4.shr_u (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c) (local.get $d)) (i32.const 8))) (v128.const f32x4 0x1p-24 0x1p-24 0x1p-24 0x1p-24))
                (v128.load offset=48 (local.get $p)))))
            )
            (else
              (v128.store offset=0 (local.get $at) (local.get $zero))
              (v128.store offset=16 (local.get $at) (local.get $zero))
              (v128.store offset=32 (local.get $at) (local.get $zero))
              (v128.store offset=48 (local.get $at) (local.get $zero))))
          (local.set $i (i32x4.add (local.get $i) (v128.const i32x4 8 8 8 8)))
          (local.set $at (i32.add (local.get $at) (i32.const 64)))
          (local.set $p (i32.add (local.get $p) (i32.const 64)))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (local.set $out (local.get $end))
        (local.set $pRow (i32.add (local.get $pRow) (i32.shl (local.get $count) (i32.const 2))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (br $nextRow))))

  ;; words -> uniforms (w >>> 8) * 2^-24, exact, in [0, 1); in place
  (func (export "uniform") (param $x i32) (param $n i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (v128.store (local.get $x)
          (f32x4.mul (f32x4.convert_i32x4_s (i32x4.shr_u (v128.load (local.get $x)) (i32.const 8))) (v128.const f32x4 0x1p-24 0x1p-24 0x1p-24 0x1p-24)))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br $next))))

  ;; words -> 1 where the uniform of the word is below p, else 0; in place of the words
  (func (export "bernoulli") (param $x i32) (param $p i32) (param $n i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (v128.store (local.get $x)
          (v128.and
            (f32x4.lt
              (f32x4.mul (f32x4.convert_i32x4_s (i32x4.shr_u (v128.load (local.get $x)) (i32.const 8))) (v128.const f32x4 0x1p-24 0x1p-24 0x1p-24 0x1p-24))
              (v128.load (local.get $p)))
            (v128.const f32x4 1 1 1 1)))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (br $next))))

  ;; words -> standard normals, in place: the inverse distribution function of u = ((w >>> 8) + 1/2) 2^-24, as sqrt(2) erfinv(2 u - 1)
  ;; with Giles' single-precision erfinv (GPU Computing Gems, 2011, table 5). x = 2 u - 1 and 1 - |x| are exact in f32.
  (func (export "normal") (param $out i32) (param $n i32)
    (local $end i32) (local $x v128) (local $a v128) (local $w v128) (local $c v128) (local $t v128) (local $tail v128)
    (local $e v128) (local $m v128) (local $low v128) (local $z v128) (local $y v128)
    (local.set $end (i32.add (local.get $out) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $out) (local.get $end)))
        (local.set $x (i32x4.sub
          (i32x4.shr_u (v128.load (local.get $out)) (i32.const 8))
          (v128.const i32x4 8388608 8388608 8388608 8388608)))
        (local.set $x (f32x4.mul
          (f32x4.add (f32x4.convert_i32x4_s (local.get $x)) (v128.const f32x4 0.5 0.5 0.5 0.5))
          (v128.const f32x4 0x1p-23 0x1p-23 0x1p-23 0x1p-23)))
        (local.set $a (f32x4.abs (local.get $x)))
        ;; w = -log((1 - |x|) (1 + |x|)): exponent and mantissa in [sqrt(1/2), sqrt(2)), then Cephes' logf polynomial
        (local.set $t (f32x4.mul
          (f32x4.sub (v128.const f32x4 1 1 1 1) (local.get $a))
          (f32x4.add (v128.const f32x4 1 1 1 1) (local.get $a))))
        (local.set $e (f32x4.convert_i32x4_s (i32x4.sub (i32x4.shr_u (local.get $t) (i32.const 23)) (v128.const i32x4 126 126 126 126))))
        (local.set $m (v128.or
          (v128.and (local.get $t) (v128.const i32x4 0x7fffff 0x7fffff 0x7fffff 0x7fffff))
          (v128.const i32x4 0x3f000000 0x3f000000 0x3f000000 0x3f000000)))
        (local.set $low (f32x4.lt (local.get $m) (v128.const f32x4 0.707106781 0.707106781 0.707106781 0.707106781)))
        (local.set $e (f32x4.sub (local.get $e) (v128.and (local.get $low) (v128.const f32x4 1 1 1 1))))
        (local.set $m (f32x4.sub
          (f32x4.add (local.get $m) (v128.and (local.get $low) (local.get $m)))
          (v128.const f32x4 1 1 1 1)))
        (local.set $z (f32x4.mul (local.get $m) (local.get $m)))
        (local.set $y (v128.const f32x4 7.0376836292e-2 7.0376836292e-2 7.0376836292e-2 7.0376836292e-2))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 -1.1514610310e-1 -1.1514610310e-1 -1.1514610310e-1 -1.1514610310e-1)))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 1.1676998740e-1 1.1676998740e-1 1.1676998740e-1 1.1676998740e-1)))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 -1.2420140846e-1 -1.2420140846e-1 -1.2420140846e-1 -1.2420140846e-1)))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 1.4249322787e-1 1.4249322787e-1 1.4249322787e-1 1.4249322787e-1)))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 -1.6668057665e-1 -1.6668057665e-1 -1.6668057665e-1 -1.6668057665e-1)))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 2.0000714765e-1 2.0000714765e-1 2.0000714765e-1 2.0000714765e-1)))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 -2.4999993993e-1 -2.4999993993e-1 -2.4999993993e-1 -2.4999993993e-1)))
        (local.set $y (f32x4.add (f32x4.mul (local.get $y) (local.get $m)) (v128.const f32x4 3.3333331174e-1 3.3333331174e-1 3.3333331174e-1 3.3333331174e-1)))
        (local.set $y (f32x4.mul (f32x4.mul (local.get $y) (local.get $m)) (local.get $z)))
        (local.set $y (f32x4.add (local.get $y) (f32x4.mul (local.get $e) (v128.const f32x4 -2.12194440e-4 -2.12194440e-4 -2.12194440e-4 -2.12194440e-4))))
        (local.set $y (f32x4.sub (local.get $y) (f32x4.mul (local.get $z) (v128.const f32x4 0.5 0.5 0.5 0.5))))
        (local.set $w (f32x4.neg (f32x4.add
          (f32x4.add (local.get $m) (local.get $y))
          (f32x4.mul (local.get $e) (v128.const f32x4 0.693359375 0.693359375 0.693359375 0.693359375)))))
        ;; the centre, |x| < 0.9966
        (local.set $t (f32x4.sub (local.get $w) (v128.const f32x4 2.5 2.5 2.5 2.5)))
        (local.set $c (v128.const f32x4 2.81022636e-08 2.81022636e-08 2.81022636e-08 2.81022636e-08))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 3.43273939e-07 3.43273939e-07 3.43273939e-07 3.43273939e-07)))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 -3.5233877e-06 -3.5233877e-06 -3.5233877e-06 -3.5233877e-06)))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 -4.39150654e-06 -4.39150654e-06 -4.39150654e-06 -4.39150654e-06)))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 0.00021858087 0.00021858087 0.00021858087 0.00021858087)))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 -0.00125372503 -0.00125372503 -0.00125372503 -0.00125372503)))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 -0.00417768164 -0.00417768164 -0.00417768164 -0.00417768164)))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 0.246640727 0.246640727 0.246640727 0.246640727)))
        (local.set $c (f32x4.add (f32x4.mul (local.get $c) (local.get $t)) (v128.const f32x4 1.50140941 1.50140941 1.50140941 1.50140941)))
        (local.set $tail (f32x4.ge (local.get $w) (v128.const f32x4 5 5 5 5)))
        (if (v128.any_true (local.get $tail))
          (then
            (local.set $t (f32x4.sub (f32x4.sqrt (local.get $w)) (v128.const f32x4 3 3 3 3)))
            (local.set $a (v128.const f32x4 -0.000200214257 -0.000200214257 -0.000200214257 -0.000200214257))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 0.000100950558 0.000100950558 0.000100950558 0.000100950558)))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 0.00134934322 0.00134934322 0.00134934322 0.00134934322)))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 -0.00367342844 -0.00367342844 -0.00367342844 -0.00367342844)))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 0.00573950773 0.00573950773 0.00573950773 0.00573950773)))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 -0.0076224613 -0.0076224613 -0.0076224613 -0.0076224613)))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 0.00943887047 0.00943887047 0.00943887047 0.00943887047)))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 1.00167406 1.00167406 1.00167406 1.00167406)))
            (local.set $a (f32x4.add (f32x4.mul (local.get $a) (local.get $t)) (v128.const f32x4 2.83297682 2.83297682 2.83297682 2.83297682)))
            (local.set $c (v128.bitselect (local.get $a) (local.get $c) (local.get $tail)))))
        (v128.store (local.get $out) (f32x4.mul
          (f32x4.mul (local.get $c) (local.get $x))
          (v128.const f32x4 1.41421356 1.41421356 1.41421356 1.41421356)))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (br $next))))

  ;; -------------------------------------------------------------------------------------------------------------------- optimisers
  ;; w weights, g gradients (times `scale`, which holds sign and clipping by norm), m and v slots, n elements. The rules are those of
  ;; graph/updates.ts, which cites their sources.

  ;; out <- scale clamp(g, -limit, limit) + decay w: for rules after clipping by value or decay into the gradient
  (func (export "prepare") (param $out i32) (param $g i32) (param $w i32) (param $n i32) (param $scale f32) (param $limit f32)
    (param $decay f32)
    (local $end i32) (local $scale4 v128) (local $limit4 v128) (local $decay4 v128)
    (local.set $scale4 (f32x4.splat (local.get $scale)))
    (local.set $limit4 (f32x4.splat (local.get $limit)))
    (local.set $decay4 (f32x4.splat (local.get $decay)))
    (local.set $end (i32.add (local.get $out) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $out) (local.get $end)))
        (v128.store (local.get $out) (f32x4.add
          (f32x4.mul
            (local.get $scale4)
            (f32x4.max (f32x4.neg (local.get $limit4)) (f32x4.min (local.get $limit4) (v128.load (local.get $g)))))
          (f32x4.mul (local.get $decay4) (v128.load (local.get $w)))))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (br $next))))

  ;; w <- w - rate g
  (func (export "sgd") (param $w i32) (param $g i32) (param $n i32) (param $scale f32) (param $rate f32)
    (local $end i32) (local $scale4 v128) (local $rate4 v128)
    (local.set $rate4 (f32x4.splat (local.get $rate)))
    (local.set $scale4 (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $w) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $w) (local.get $end)))
        (v128.store (local.get $w) (f32x4.sub (v128.load (local.get $w)) (f32x4.mul (local.get $rate4) (f32x4.mul (local.get $scale4) (v128.load (local.get $g))))))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (br $next))))

  ;; m <- momentum m + g;  w <- w - rate (m + nesterov (g + momentum m - m))
  (func (export "momentum") (param $w i32) (param $g i32) (param $m i32) (param $n i32) (param $scale f32) (param $rate f32)
    (param $momentum f32) (param $nesterov f32)
    (local $end i32) (local $scale4 v128) (local $rate4 v128) (local $momentum4 v128) (local $nesterov4 v128) (local $x v128) (local $s v128) (local $ahead v128)
    (local.set $rate4 (f32x4.splat (local.get $rate)))
    (local.set $momentum4 (f32x4.splat (local.get $momentum)))
    (local.set $nesterov4 (f32x4.splat (local.get $nesterov)))
    (local.set $scale4 (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $w) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $w) (local.get $end)))
        (local.set $x (f32x4.mul (local.get $scale4) (v128.load (local.get $g))))
        (local.set $s (f32x4.add (f32x4.mul (local.get $momentum4) (v128.load (local.get $m))) (local.get $x)))
        (v128.store (local.get $m) (local.get $s))
        (local.set $ahead (f32x4.add (f32x4.mul (local.get $momentum4) (local.get $s)) (local.get $x)))
        (local.set $s (f32x4.add (local.get $s) (f32x4.mul (local.get $nesterov4) (f32x4.sub (local.get $ahead) (local.get $s)))))
        (v128.store (local.get $w) (f32x4.sub (v128.load (local.get $w)) (f32x4.mul (local.get $rate4) (local.get $s))))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $m (i32.add (local.get $m) (i32.const 16)))
        (br $next))))

  ;; m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- keep w - rate m / (sqrt(v) + epsilon). The corrections of the bias are in
  ;; rate = lr sqrt(1 - b2^t) / (1 - b1^t) and epsilon sqrt(1 - b2^t); keep is 1 - lr decay for adamw, else 1. Unrolled twice.
  (func (export "adam") (param $w i32) (param $g i32) (param $m i32) (param $v i32) (param $n i32) (param $scale f32)
    (param $rate f32) (param $keep f32) (param $epsilon f32) (param $b1 f32) (param $c1 f32) (param $b2 f32) (param $c2 f32)
    (local $end i32) (local $scale4 v128) (local $rate4 v128) (local $keep4 v128) (local $epsilon4 v128)
    (local $b14 v128) (local $c14 v128) (local $b24 v128) (local $c24 v128) (local $x v128) (local $s v128)
    (local.set $rate4 (f32x4.splat (local.get $rate)))
    (local.set $keep4 (f32x4.splat (local.get $keep)))
    (local.set $epsilon4 (f32x4.splat (local.get $epsilon)))
    (local.set $b14 (f32x4.splat (local.get $b1)))
    (local.set $c14 (f32x4.splat (local.get $c1)))
    (local.set $b24 (f32x4.splat (local.get $b2)))
    (local.set $c24 (f32x4.splat (local.get $c2)))
    (local.set $scale4 (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $w) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $w) (local.get $end)))
        (local.set $x (f32x4.mul (local.get $scale4) (v128.load offset=0 (local.get $g))))
        (local.set $s (f32x4.add (f32x4.mul (local.get $b14) (v128.load offset=0 (local.get $m))) (f32x4.mul (local.get $c14) (local.get $x))))
        (v128.store offset=0 (local.get $m) (local.get $s))
        (local.set $x (f32x4.add
          (f32x4.mul (local.get $b24) (v128.load offset=0 (local.get $v)))
          (f32x4.mul (local.get $c24) (f32x4.mul (local.get $x) (local.get $x)))))
        (v128.store offset=0 (local.get $v) (local.get $x))
        (v128.store offset=0 (local.get $w) (f32x4.sub
          (f32x4.mul (local.get $keep4) (v128.load offset=0 (local.get $w)))
          (f32x4.div (f32x4.mul (local.get $rate4) (local.get $s)) (f32x4.add (f32x4.sqrt (local.get $x)) (local.get $epsilon4)))))

        (local.set $x (f32x4.mul (local.get $scale4) (v128.load offset=16 (local.get $g))))
        (local.set $s (f32x4.add (f32x4.mul (local.get $b14) (v128.load offset=16 (local.get $m))) (f32x4.mul (local.get $c14) (local.get $x))))
        (v128.store offset=16 (local.get $m) (local.get $s))
        (local.set $x (f32x4.add
          (f32x4.mul (local.get $b24) (v128.load offset=16 (local.get $v)))
          (f32x4.mul (local.get $c24) (f32x4.mul (local.get $x) (local.get $x)))))
        (v128.store offset=16 (local.get $v) (local.get $x))
        (v128.store offset=16 (local.get $w) (f32x4.sub
          (f32x4.mul (local.get $keep4) (v128.load offset=16 (local.get $w)))
          (f32x4.div (f32x4.mul (local.get $rate4) (local.get $s)) (f32x4.add (f32x4.sqrt (local.get $x)) (local.get $epsilon4)))))
        (local.set $w (i32.add (local.get $w) (i32.const 32)))
        (local.set $g (i32.add (local.get $g) (i32.const 32)))
        (local.set $m (i32.add (local.get $m) (i32.const 32)))
        (local.set $v (i32.add (local.get $v) (i32.const 32)))
        (br $next))))

  ;; m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + epsilon);  w <- w - rate m / u, where rate holds 1 / (1 - b1^t)
  (func (export "adamax") (param $w i32) (param $g i32) (param $m i32) (param $u i32) (param $n i32) (param $scale f32) (param $rate f32)
    (param $epsilon f32) (param $b1 f32) (param $c1 f32) (param $b2 f32)
    (local $end i32) (local $scale4 v128) (local $rate4 v128) (local $epsilon4 v128) (local $b14 v128) (local $c14 v128) (local $b24 v128) (local $x v128) (local $s v128)
    (local.set $rate4 (f32x4.splat (local.get $rate)))
    (local.set $epsilon4 (f32x4.splat (local.get $epsilon)))
    (local.set $b14 (f32x4.splat (local.get $b1)))
    (local.set $c14 (f32x4.splat (local.get $c1)))
    (local.set $b24 (f32x4.splat (local.get $b2)))
    (local.set $scale4 (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $w) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $w) (local.get $end)))
        (local.set $x (f32x4.mul (local.get $scale4) (v128.load (local.get $g))))
        (local.set $s (f32x4.add (f32x4.mul (local.get $b14) (v128.load (local.get $m))) (f32x4.mul (local.get $c14) (local.get $x))))
        (v128.store (local.get $m) (local.get $s))
        (local.set $x (f32x4.max
          (f32x4.mul (local.get $b24) (v128.load (local.get $u)))
          (f32x4.add (f32x4.abs (local.get $x)) (local.get $epsilon4))))
        (v128.store (local.get $u) (local.get $x))
        (v128.store (local.get $w) (f32x4.sub
          (v128.load (local.get $w))
          (f32x4.div (f32x4.mul (local.get $rate4) (local.get $s)) (local.get $x))))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $m (i32.add (local.get $m) (i32.const 16)))
        (local.set $u (i32.add (local.get $u) (i32.const 16)))
        (br $next))))

  ;; v <- decay v + (1 - decay) g^2;  w <- w - rate g / (sqrt(v) + epsilon)
  (func (export "rmsprop") (param $w i32) (param $g i32) (param $v i32) (param $n i32) (param $scale f32) (param $rate f32)
    (param $epsilon f32) (param $decay f32) (param $rest f32)
    (local $end i32) (local $scale4 v128) (local $rate4 v128) (local $epsilon4 v128) (local $decay4 v128) (local $rest4 v128) (local $x v128) (local $s v128)
    (local.set $rate4 (f32x4.splat (local.get $rate)))
    (local.set $epsilon4 (f32x4.splat (local.get $epsilon)))
    (local.set $decay4 (f32x4.splat (local.get $decay)))
    (local.set $rest4 (f32x4.splat (local.get $rest)))
    (local.set $scale4 (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $w) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $w) (local.get $end)))
        (local.set $x (f32x4.mul (local.get $scale4) (v128.load (local.get $g))))
        (local.set $s (f32x4.add (f32x4.mul (local.get $decay4) (v128.load (local.get $v))) (f32x4.mul (local.get $rest4) (f32x4.mul (local.get $x) (local.get $x)))))
        (v128.store (local.get $v) (local.get $s))
        (v128.store (local.get $w) (f32x4.sub
          (v128.load (local.get $w))
          (f32x4.div (f32x4.mul (local.get $rate4) (local.get $x)) (f32x4.add (f32x4.sqrt (local.get $s)) (local.get $epsilon4)))))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $v (i32.add (local.get $v) (i32.const 16)))
        (br $next))))

  ;; v as above;  m <- momentum m + g / (sqrt(v) + epsilon);  w <- w - rate m
  (func (export "rmspropMomentum") (param $w i32) (param $g i32) (param $v i32) (param $m i32) (param $n i32) (param $scale f32)
    (param $rate f32) (param $epsilon f32) (param $decay f32) (param $rest f32) (param $momentum f32)
    (local $end i32) (local $scale4 v128) (local $rate4 v128) (local $epsilon4 v128) (local $decay4 v128) (local $rest4 v128) (local $momentum4 v128) (local $x v128) (local $s v128)
    (local.set $rate4 (f32x4.splat (local.get $rate)))
    (local.set $epsilon4 (f32x4.splat (local.get $epsilon)))
    (local.set $decay4 (f32x4.splat (local.get $decay)))
    (local.set $rest4 (f32x4.splat (local.get $rest)))
    (local.set $momentum4 (f32x4.splat (local.get $momentum)))
    (local.set $scale4 (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $w) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $w) (local.get $end)))
        (local.set $x (f32x4.mul (local.get $scale4) (v128.load (local.get $g))))
        (local.set $s (f32x4.add (f32x4.mul (local.get $decay4) (v128.load (local.get $v))) (f32x4.mul (local.get $rest4) (f32x4.mul (local.get $x) (local.get $x)))))
        (v128.store (local.get $v) (local.get $s))
        (local.set $s (f32x4.add
          (f32x4.mul (local.get $momentum4) (v128.load (local.get $m)))
          (f32x4.div (local.get $x) (f32x4.add (f32x4.sqrt (local.get $s)) (local.get $epsilon4)))))
        (v128.store (local.get $m) (local.get $s))
        (v128.store (local.get $w) (f32x4.sub (v128.load (local.get $w)) (f32x4.mul (local.get $rate4) (local.get $s))))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $v (i32.add (local.get $v) (i32.const 16)))
        (local.set $m (i32.add (local.get $m) (i32.const 16)))
        (br $next))))

  ;; e <- decay e + rest w
  (func (export "average") (param $e i32) (param $w i32) (param $n i32) (param $decay f32) (param $rest f32)
    (local $end i32) (local $decay4 v128) (local $rest4 v128)
    (local.set $decay4 (f32x4.splat (local.get $decay)))
    (local.set $rest4 (f32x4.splat (local.get $rest)))
    (local.set $end (i32.add (local.get $e) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $e) (local.get $end)))
        (v128.store (local.get $e) (f32x4.add (f32x4.mul (local.get $decay4) (v128.load (local.get $e))) (f32x4.mul (local.get $rest4) (v128.load (local.get $w)))))
        (local.set $e (i32.add (local.get $e) (i32.const 16)))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (br $next))))

  ;; x <- min(max(x, low), high)
  (func (export "clamp") (param $x i32) (param $n i32) (param $low f32) (param $high f32)
    (local $end i32) (local $low4 v128) (local $high4 v128)
    (local.set $low4 (f32x4.splat (local.get $low)))
    (local.set $high4 (f32x4.splat (local.get $high)))
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (v128.store (local.get $x) (f32x4.min (local.get $high4) (f32x4.max (local.get $low4) (v128.load (local.get $x)))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br $next))))

  ;; 1 where all are finite, else 0: an infinity or NaN has all bits of the exponent set.
  (func (export "finite") (param $x i32) (param $n i32) (result i32)
    (local $end i32) (local $mask v128) (local $found v128)
    (local.set $mask (v128.const i32x4 0x7f800000 0x7f800000 0x7f800000 0x7f800000))
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (local.set $found (v128.or
          (v128.or
            (local.get $found)
            (i32x4.eq (v128.and (v128.load offset=0 (local.get $x)) (local.get $mask)) (local.get $mask)))
          (v128.or
            (i32x4.eq (v128.and (v128.load offset=16 (local.get $x)) (local.get $mask)) (local.get $mask))
            (v128.or
              (i32x4.eq (v128.and (v128.load offset=32 (local.get $x)) (local.get $mask)) (local.get $mask))
              (i32x4.eq (v128.and (v128.load offset=48 (local.get $x)) (local.get $mask)) (local.get $mask))))))
        (local.set $x (i32.add (local.get $x) (i32.const 64)))
        (br $next)))
    (i32.eqz (v128.any_true (local.get $found))))

  ;; Sum of squares of clamp(x, -limit, limit), in f64.
  (func (export "squares") (param $x i32) (param $n i32) (param $limit f32) (result f64)
    (local $end i32) (local $limit4 v128) (local $v v128) (local $low v128) (local $high v128) (local $s v128) (local $t v128)
    (local.set $limit4 (f32x4.splat (local.get $limit)))
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (local.set $v (f32x4.max (f32x4.neg (local.get $limit4)) (f32x4.min (local.get $limit4) (v128.load (local.get $x)))))
        (local.set $low (f64x2.promote_low_f32x4 (local.get $v)))
        (local.set $high (f64x2.promote_low_f32x4 (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $v) (local.get $v))))
        (local.set $s (f64x2.add (local.get $s) (f64x2.mul (local.get $low) (local.get $low))))
        (local.set $t (f64x2.add (local.get $t) (f64x2.mul (local.get $high) (local.get $high))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br $next)))
    (local.set $s (f64x2.add (local.get $s) (local.get $t)))
    (f64.add (f64x2.extract_lane 0 (local.get $s)) (f64x2.extract_lane 1 (local.get $s))))

  ;; ------------------------------------------------------------------------------------------------------------ rows of hidden units
  ;; For NADE (nade.ts): rows of n f32, n a multiple of 4, at multiples of 16 bytes.

  ;; sum of a b, in four partial sums of four
  (func (export "dot") (param $a i32) (param $b i32) (param $n i32) (result f32)
    (local $end i32) (local $s v128) (local $t v128)
    (local.set $end (i32.add (local.get $a) (i32.shl (i32.and (local.get $n) (i32.const -8)) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $a) (local.get $end)))
        (local.set $s (f32x4.add (local.get $s) (f32x4.mul (v128.load offset=0 (local.get $a)) (v128.load offset=0 (local.get $b)))))
        (local.set $t (f32x4.add (local.get $t) (f32x4.mul (v128.load offset=16 (local.get $a)) (v128.load offset=16 (local.get $b)))))
        (local.set $a (i32.add (local.get $a) (i32.const 32)))
        (local.set $b (i32.add (local.get $b) (i32.const 32)))
        (br $next)))
    (if (i32.and (local.get $n) (i32.const 4))
      (then (local.set $s (f32x4.add (local.get $s) (f32x4.mul (v128.load (local.get $a)) (v128.load (local.get $b)))))))
    (local.set $s (f32x4.add (local.get $s) (local.get $t)))
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $s)) (f32x4.extract_lane 1 (local.get $s)))
      (f32.add (f32x4.extract_lane 2 (local.get $s)) (f32x4.extract_lane 3 (local.get $s)))))

  ;; y <- y + scale x
  (func (export "axpy") (param $y i32) (param $x i32) (param $n i32) (param $scale f32)
    (local $end i32) (local $s v128)
    (local.set $s (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $y) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $y) (local.get $end)))
        (v128.store (local.get $y) (f32x4.add (v128.load (local.get $y)) (f32x4.mul (local.get $s) (v128.load (local.get $x)))))
        (local.set $y (i32.add (local.get $y) (i32.const 16)))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br $next))))

  ;; out <- 1 / (1 + exp(-x)); exp by Cephes' expf: 2^k exp(r), |r| <= log(2) / 2, with a polynomial of degree 5 for exp(r) - 1 - r.
  ;; Added to 1.5 * 2^23, a number is rounded to the integer k, which then stands in the low bits: cheaper than nearest and trunc_sat. pmin and
  ;; pmax keep a NaN that is their first operand, and are one instruction where min and max are six.
  (func (export "logistic") (param $out i32) (param $x i32) (param $n i32)
    (local $end i32) (local $v v128) (local $t v128) (local $k v128) (local $r v128) (local $p v128)
    (local.set $end (i32.add (local.get $out) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $out) (local.get $end)))
        (local.set $v (f32x4.pmin (f32x4.pmax (f32x4.neg (v128.load (local.get $x))) (v128.const f32x4 -87 -87 -87 -87)) (v128.const f32x4 87 87 87 87)))
        (local.set $t (f32x4.add
          (f32x4.mul (local.get $v) (v128.const f32x4 1.44269504 1.44269504 1.44269504 1.44269504))
          (v128.const f32x4 12582912 12582912 12582912 12582912)))
        (local.set $k (f32x4.sub (local.get $t) (v128.const f32x4 12582912 12582912 12582912 12582912)))
        (local.set $r (f32x4.sub
          (f32x4.sub (local.get $v) (f32x4.mul (local.get $k) (v128.const f32x4 0.693359375 0.693359375 0.693359375 0.693359375)))
          (f32x4.mul (local.get $k) (v128.const f32x4 -2.12194440e-4 -2.12194440e-4 -2.12194440e-4 -2.12194440e-4))))
        (local.set $p (v128.const f32x4 1.9875691500e-4 1.9875691500e-4 1.9875691500e-4 1.9875691500e-4))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) (v128.const f32x4 1.3981999507e-3 1.3981999507e-3 1.3981999507e-3 1.3981999507e-3)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) (v128.const f32x4 8.3334519073e-3 8.3334519073e-3 8.3334519073e-3 8.3334519073e-3)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) (v128.const f32x4 4.1665795894e-2 4.1665795894e-2 4.1665795894e-2 4.1665795894e-2)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) (v128.const f32x4 1.6666665459e-1 1.6666665459e-1 1.6666665459e-1 1.6666665459e-1)))
        (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) (v128.const f32x4 5.0000001201e-1 5.0000001201e-1 5.0000001201e-1 5.0000001201e-1)))
        (local.set $p (f32x4.add
          (f32x4.add (f32x4.mul (f32x4.mul (local.get $p) (local.get $r)) (local.get $r)) (local.get $r))
          (v128.const f32x4 1 1 1 1)))
        (local.set $p (f32x4.mul (local.get $p)
          (i32x4.shl (i32x4.add (local.get $t) (v128.const i32x4 127 127 127 127)) (i32.const 23))))
        (v128.store (local.get $out) (f32x4.div (v128.const f32x4 1 1 1 1) (f32x4.add (v128.const f32x4 1 1 1 1) (local.get $p))))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br $next))))

  ;; sum <- sum + g h (1 - h);  g <- 0
  (func (export "throughLogistic") (param $sum i32) (param $g i32) (param $h i32) (param $n i32)
    (local $end i32) (local $x v128)
    (local.set $end (i32.add (local.get $sum) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $sum) (local.get $end)))
        (local.set $x (v128.load (local.get $h)))
        (v128.store (local.get $sum) (f32x4.add (v128.load (local.get $sum))
          (f32x4.mul (v128.load (local.get $g)) (f32x4.sub (local.get $x) (f32x4.mul (local.get $x) (local.get $x))))))
        (v128.store (local.get $g) (v128.const i32x4 0 0 0 0))
        (local.set $sum (i32.add (local.get $sum) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $h (i32.add (local.get $h) (i32.const 16)))
        (br $next))))

  ;; g <- g + scale v;  dv <- dv + scale h
  (func (export "outerStep") (param $g i32) (param $v i32) (param $dv i32) (param $h i32) (param $n i32) (param $scale f32)
    (local $end i32) (local $s v128)
    (local.set $s (f32x4.splat (local.get $scale)))
    (local.set $end (i32.add (local.get $g) (i32.shl (local.get $n) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $g) (local.get $end)))
        (v128.store (local.get $g) (f32x4.add (v128.load (local.get $g)) (f32x4.mul (local.get $s) (v128.load (local.get $v)))))
        (v128.store (local.get $dv) (f32x4.add (v128.load (local.get $dv)) (f32x4.mul (local.get $s) (v128.load (local.get $h)))))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (local.set $v (i32.add (local.get $v) (i32.const 16)))
        (local.set $dv (i32.add (local.get $dv) (i32.const 16)))
        (local.set $h (i32.add (local.get $h) (i32.const 16)))
        (br $next))))
)
