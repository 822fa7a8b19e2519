use super::*;

#[test]
fn batches_pass_in_order_and_indices_wrap() {
    let ring = memory::Ring::<u64>::new(8, u32::MAX - 5);
    // SAFETY: `ring` outlives both cursors, one on each side.
    let (mut producer, mut consumer) = unsafe { (Producer::new(ring.parts()), Consumer::new(ring.parts())) };
    let mut next_in = 0;
    let mut next_out = 0;
    for round in 0..40 {
        let granted = producer.reserve(1 + round % 11);
        for _ in 0..granted {
            assert!(producer.write(next_in));
            next_in += 1;
        }
        assert_eq!(u64::from(consumer.len()), 0, "nothing shows before submit");
        producer.submit();
        for _ in 0..consumer.peek(64) {
            assert_eq!(consumer.read(), Some(next_out));
            next_out += 1;
        }
        assert_eq!(consumer.read(), None);
        assert_eq!(producer.outstanding(), granted, "nothing is free before release");
        consumer.release();
        assert_eq!(producer.outstanding(), 0);
        assert_eq!(producer.taken(), consumer.given(), "all that was given was taken");
    }
    assert_eq!(next_in, next_out);
    assert_eq!(producer.taken(), (u32::MAX - 5).wrapping_add(next_in as u32));
    assert!(next_in > 200);
}

#[test]
fn full_ring_refuses_the_write() {
    let ring = memory::Ring::<Descriptor>::new(4, 0);
    // SAFETY: `ring` outlives the cursor, the only one.
    let mut producer = unsafe { Producer::new(ring.parts()) };
    assert_eq!(producer.reserve(9), 4);
    assert_eq!((0..9).filter(|_| producer.write(Descriptor::default())).count(), 4);
    assert_eq!(producer.reserve(1), 0);
}

#[test]
fn senseless_indices_of_the_other_side_are_harmless() {
    let ring = memory::Ring::<u64>::new(4, 0);
    // SAFETY: `ring` outlives both cursors, one on each side.
    let (mut producer, mut consumer) = unsafe { (Producer::new(ring.parts()), Consumer::new(ring.parts())) };
    ring.producer.store(1_000_000, Ordering::Relaxed);
    assert_eq!(consumer.peek(64), 4);
    ring.consumer.store(77, Ordering::Relaxed);
    assert_eq!(producer.reserve(64), 0);
    assert!(!producer.write(1));
}

#[test]
fn wakeup_flag_is_the_kernels() {
    let ring = memory::Ring::<u64>::new(4, 0);
    // SAFETY: `ring` outlives the cursor, the only one.
    let producer = unsafe { Producer::new(ring.parts()) };
    assert!(!producer.needs_wakeup());
    ring.flags.store(NEED_WAKEUP, Ordering::Relaxed);
    assert!(producer.needs_wakeup());
}
