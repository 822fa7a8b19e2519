use super::*;
use loom::sync::{Arc, Notify};

/// Both directions at once: this process hands frames to the kernel on one ring, in batches, and takes them back
/// from another, as with TX and completion. Every frame comes back once, in order, with what was written.
#[test]
fn loom_frames_travel_out_and_back() {
    loom::model(|| {
        let out = Arc::new(memory::Ring::<u64>::new(2, u32::MAX));
        let back = Arc::new(memory::Ring::<u64>::new(2, u32::MAX));
        let kernel = loom::thread::spawn({
            let (out, back) = (Arc::clone(&out), Arc::clone(&back));
            move || {
                // SAFETY: the rings outlive the cursors; this is the only consumer of one and producer of the other.
                let (mut taken, mut done) = unsafe { (Consumer::new(out.parts()), Producer::new(back.parts())) };
                let mut moved = 0;
                while moved < 3 {
                    let room = done.reserve(2);
                    let batch = taken.peek(room);
                    for _ in 0..batch {
                        assert!(done.write(taken.read().expect("peek said so") + 100));
                    }
                    taken.release();
                    done.submit();
                    moved += batch;
                    if batch == 0 {
                        loom::thread::yield_now();
                    }
                }
            }
        });
        // SAFETY: the rings outlive the cursors; the other ends of the kernel's.
        let (mut send, mut reap) = unsafe { (Producer::new(out.parts()), Consumer::new(back.parts())) };
        let (mut sent, mut reaped) = (0u32, 0u32);
        while reaped < 3 {
            let room = send.reserve(2).min(3 - sent);
            for _ in 0..room {
                assert!(send.write(u64::from(sent)));
                sent += 1;
            }
            send.submit();
            let batch = reap.peek(2);
            for _ in 0..batch {
                assert_eq!(reap.read(), Some(u64::from(reaped) + 100));
                reaped += 1;
            }
            reap.release();
            if room + batch == 0 {
                loom::thread::yield_now();
            }
        }
        kernel.join().expect("kernel ends");
    });
}

/// The kernel sets need_wakeup, looks once more, and sleeps; who submits after that sees the flag and wakes it.
#[test]
fn loom_need_wakeup_is_never_missed() {
    loom::model(|| {
        let ring = Arc::new(memory::Ring::<u64>::new(2, 0));
        let system_call = Arc::new(Notify::new());
        let kernel = loom::thread::spawn({
            let (ring, system_call) = (Arc::clone(&ring), Arc::clone(&system_call));
            move || {
                // SAFETY: the ring outlives the cursor, its only consumer.
                let mut taken = unsafe { Consumer::new(ring.parts()) };
                ring.flags.store(NEED_WAKEUP, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if taken.is_empty() {
                    system_call.wait();
                }
                assert_eq!(taken.peek(1), 1);
                assert_eq!(taken.read(), Some(42));
            }
        });
        // SAFETY: the ring outlives the cursor, its only producer.
        let mut send = unsafe { Producer::new(ring.parts()) };
        assert!(send.reserve(1) == 1 && send.write(42));
        send.submit();
        if send.needs_wakeup() {
            system_call.notify();
        }
        kernel.join().expect("kernel ends");
    });
}
