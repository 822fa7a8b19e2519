//! The cheapest DNS "server" that the AF_XDP layer can carry: sets the QR bit and sends every query back.
//!
//! The bound for the real server, and a look at the worker's loop without anything else in it:
//! `reflect INTERFACE ADDRESS...`; ends with SIGTERM or SIGINT like any program, and nothing stays attached.

use runbound::wire::{parse_udp_frame, reply_in_place};
use runbound::xdp::{self, Mode, Options, Place, Queue, RxBatch, ZeroCopy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, addresses @ ..] = arguments.as_slice() else {
        return Err("usage: reflect INTERFACE ADDRESS...".into());
    };
    let fact = |name: &str| std::fs::read_to_string(format!("/sys/class/net/{interface}/{name}"));
    let mut mac = [0; 6];
    for (byte, hex) in mac.iter_mut().zip(fact("address")?.trim().split(':')) {
        *byte = u8::from_str_radix(hex, 16)?;
    }
    let mut places = Vec::new();
    for address in addresses {
        places.push(Place { address: address.parse()?, mac, vlan: None });
    }
    let options = Options {
        interface: interface.clone(),
        index: fact("ifindex")?.trim().parse()?,
        mtu: fact("mtu")?.trim().parse()?,
        peer: runbound::xdp::Peer::None,
        driver: None,
        reply_mtu: u32::MAX,
        places,
        own: Vec::new(),
        port: 53,
        mode: Mode::Native,
        zero_copy: ZeroCopy::Auto,
        huge_pages: false,
        frames: xdp::DEFAULT_FRAMES,
    };
    let attachment = xdp::attach(&options, xdp::Programs::default().take(&options.interface)?)?;
    let mut queues = xdp::open_queues(&options, &attachment, 1)?;
    for queue in &mut queues {
        queue.insert_into_map()?;
    }
    eprintln!("{interface}: {} queue(s), {:?}", queues.len(), attachment.mode());
    // The benchmark knows that frames arrive.
    for queue in &queues {
        queue.open_gate()?;
    }
    let mut batch = RxBatch::new();
    loop {
        for queue in &mut queues {
            serve(queue, &mut batch);
        }
    }
}

fn serve(queue: &mut Queue, batch: &mut RxBatch) {
    queue.reclaim();
    if queue.receive(batch) == 0 {
        queue.kick_if_outstanding();
        queue.wake_rx();
        return;
    }
    for frame in batch.drain(..) {
        let received = frame.len();
        let data = queue.data(&frame);
        let len = match parse_udp_frame(&data[..received]) {
            Ok(view) => {
                let payload = view.payload();
                if let Some(flags) = data.get_mut(payload.start + 2) {
                    *flags |= 0x80;
                }
                reply_in_place(data, &view, payload.len())
            }
            Err(_) => 0,
        };
        queue.transmit(frame, len);
    }
    queue.submit();
}
