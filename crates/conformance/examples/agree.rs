use conformance::EngineName;
use conformance::fuzz::{self, Contender};
fn main() {
    let first: u64 = std::env::args().nth(1).map_or(1, |t| t.parse().expect("n"));
    let labs: u64 = std::env::args().nth(2).map_or(50, |t| t.parse().expect("n"));
    let mut n = 0;
    for seed in first..first + labs {
        let c = [Contender::of(EngineName::Proof), Contender::of(EngineName::Sim)];
        match fuzz::lab(seed, 50, &c) {
            Ok((found, _)) => {
                for d in &found { println!("seed {seed}\n{d}"); if n < 6 { println!("{}", d.lab); } n += 1; }
            }
            Err(e) => println!("seed {seed}: ERROR {e}"),
        }
    }
    println!("{n} differences in {labs} labs");
}
