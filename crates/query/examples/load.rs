fn main() {
    let start = std::time::Instant::now();
    let n = query::shapes::services().len();
    println!("{n} {:?}", start.elapsed());
    let ec2 = query::shapes::service("ec2").unwrap();
    let form = "Filter.1.Name=tag%3AName&Filter.1.Value.1=web+1&Filter.1.Value.2=db*&MaxResults=5&VpcId.1=vpc-1";
    let op = ec2.operation("DescribeVpcs").unwrap();
    let start = std::time::Instant::now();
    for _ in 0..10000 {
        let pairs = query::form::pairs(form.as_bytes()).unwrap();
        let node = query::form::Node::of(pairs.iter().map(|(a, b)| (a.as_str(), b.as_str()))).unwrap();
        std::hint::black_box(query::parameters::read(ec2, op, &node).unwrap());
    }
    println!("read {:?}", start.elapsed() / 10000);
}
