//! SRV records: where `mon_host` is empty, DNS is asked who the monitors are (`mon_dns_srv_name`).
//!
//! `ceph-mon` asks for `_ceph-mon._tcp`, first as it stands and then in each search domain of /etc/resolv.conf; with a domain
//! (`ceph-mon_example.com`) for `_ceph-mon._tcp.example.com`. A monitor's name is its target's first label; priority and
//! weight are the record's. RFC 1035, RFC 2782.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::wire::denc::Malformed;

const TYPE_SRV: u16 = 33;
const CLASS_IN: u16 = 1;
/// Name errors and empty answers are told by the header's rcode; all but 0 and 3 are failures of the server.
const NO_SUCH_NAME: u8 = 3;

/// One monitor by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: String,
}

/// Whom to ask, as /etc/resolv.conf says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    timeout: Duration,
    attempts: u32,
}

impl Resolver {
    /// The system's; the local host's own server if there is no file.
    pub fn system() -> Resolver {
        Resolver::parse(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    fn parse(text: &str) -> Resolver {
        let mut resolver = Resolver {
            servers: Vec::new(),
            search: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 2,
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if resolver.servers.len() < 3 => {
                    // A zone (fe80::1%eth0) is of no use here.
                    let ip = words.next().and_then(|word| word.split('%').next()?.parse().ok());
                    resolver.servers.extend(ip.map(|ip| SocketAddr::new(ip, 53)));
                }
                Some("search" | "domain") => resolver.search = words.take(6).map(str::to_owned).collect(),
                Some("options") => {
                    for word in words {
                        match word.split_once(':').map(|(key, value)| (key, value.parse::<u32>())) {
                            Some(("timeout", Ok(n))) => {
                                resolver.timeout = Duration::from_secs(n.clamp(1, 30).into())
                            }
                            Some(("attempts", Ok(n))) => resolver.attempts = n.clamp(1, 5),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if resolver.servers.is_empty() {
            resolver.servers.push(SocketAddr::from(([127, 0, 0, 1], 53)));
        }
        resolver
    }

    /// The records of `service` (`mon_dns_srv_name`); empty if there are none or nobody answers.
    pub async fn monitors(&self, service: &str) -> Vec<Srv> {
        let (service, domain) = match service.split_once('_') {
            Some((service, domain)) => (service, Some(domain)),
            None => (service, None),
        };
        let name = match domain {
            Some(domain) => format!("_{service}._tcp.{domain}"),
            None => format!("_{service}._tcp"),
        };
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        for name in std::iter::once(name.clone()).chain(searched) {
            let found = self.ask(&name).await;
            tracing::debug!(name, records = found.len(), "SRV");
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// Asks the servers in turn until one knows.
    async fn ask(&self, name: &str) -> Vec<Srv> {
        for server in (0..self.attempts).flat_map(|_| &self.servers) {
            match tokio::time::timeout(self.timeout, exchange(*server, name)).await {
                Ok(Ok(records)) => return records,
                Ok(Err(error)) => tracing::debug!(%server, name, %error, "no answer"),
                Err(_) => tracing::debug!(%server, name, "no answer in time"),
            }
        }
        Vec::new()
    }
}

async fn exchange(server: SocketAddr, name: &str) -> std::io::Result<Vec<Srv>> {
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let id = getrandom::u32().unwrap_or_default() as u16;
    let query = query(id, name).ok_or_else(|| bad("no name that DNS could have"))?;
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&query).await?;
    let mut buffer = vec![0; 4096];
    let mut answer = loop {
        let length = socket.recv(&mut buffer).await?;
        // What is not for this question is somebody else's, or an attempt.
        if let Ok(answer) = parse(&buffer[..length], id, &query) {
            break answer;
        }
    };
    if answer.truncated {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(query.len()).map_err(|_| bad("question too long"))?;
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(&query).await?;
        let length = stream.read_u16().await?;
        let mut reply = vec![0; length.into()];
        stream.read_exact(&mut reply).await?;
        answer = parse(&reply, id, &query).map_err(|_| bad("malformed answer"))?;
    }
    match answer.rcode {
        0 | NO_SUCH_NAME => Ok(answer.records),
        code => Err(bad(&format!("the server says {code}"))),
    }
}

/// `None`: a label is empty or too long.
fn query(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.extend(id.to_be_bytes());
    // Recursion desired; one question.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(TYPE_SRV.to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    (bytes.len() <= 12 + 255 + 4).then_some(bytes)
}

struct Answer {
    rcode: u8,
    truncated: bool,
    records: Vec<Srv>,
}

/// The answer to `query`.
fn parse(bytes: &[u8], id: u16, query: &[u8]) -> Result<Answer, Malformed> {
    let mut at = Cursor { bytes, at: 0 };
    let (got, flags) = (at.u16()?, at.u16()?);
    let (questions, answers) = (at.u16()?, at.u16()?);
    at.skip(4)?;
    let is_response = flags & 0x8000 != 0;
    if got != id || !is_response || questions != 1 {
        return Err(Malformed);
    }
    let question = query.get(12..).ok_or(Malformed)?;
    let begin = at.at;
    at.skip(question.len())?;
    if !bytes[begin..at.at].eq_ignore_ascii_case(question) {
        return Err(Malformed);
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        at.name()?;
        let (kind, class) = (at.u16()?, at.u16()?);
        at.skip(4)?;
        let length = at.u16()?;
        let end = at.at + usize::from(length);
        if kind == TYPE_SRV && class == CLASS_IN {
            let (priority, weight, port) = (at.u16()?, at.u16()?, at.u16()?);
            let target = at.name()?;
            // `.`: the service is decidedly not there.
            if !target.is_empty() {
                records.push(Srv { priority, weight, port, target });
            }
        }
        if end < at.at || end > bytes.len() {
            return Err(Malformed);
        }
        at.at = end;
    }
    Ok(Answer { rcode: (flags & 15) as u8, truncated: flags & 0x200 != 0, records })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        let end = self.at + count;
        if end > self.bytes.len() {
            return Err(Malformed);
        }
        self.at = end;
        Ok(())
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let begin = self.at;
        self.skip(2)?;
        Ok(u16::from_be_bytes([self.bytes[begin], self.bytes[begin + 1]]))
    }

    /// A name, which may go on at an earlier place. Each jump goes further back, so it ends.
    fn name(&mut self) -> Result<String, Malformed> {
        let mut name = String::new();
        let (mut at, mut after, mut bound) = (self.at, None, self.at);
        loop {
            let length = usize::from(*self.bytes.get(at).ok_or(Malformed)?);
            match length {
                0 => break,
                1..=63 => {
                    let label = self.bytes.get(at + 1..at + 1 + length).ok_or(Malformed)?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(std::str::from_utf8(label).map_err(|_| Malformed)?);
                    at += 1 + length;
                }
                192.. => {
                    let low = *self.bytes.get(at + 1).ok_or(Malformed)?;
                    after.get_or_insert(at + 2);
                    at = (length & 63) << 8 | usize::from(low);
                    if at >= bound {
                        return Err(Malformed);
                    }
                    bound = at;
                }
                _ => return Err(Malformed),
            }
            if name.len() > 255 {
                return Err(Malformed);
            }
        }
        self.at = after.unwrap_or(at + 1);
        Ok(name)
    }
}

/// Any bytes as the answer to a question for `_a._tcp`.
#[cfg(any(test, feature = "fuzzing"))]
pub fn accepts(bytes: &[u8]) -> bool {
    let id = bytes.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
    query(id, "_a._tcp").is_some_and(|query| parse(bytes, id, &query).is_ok())
}

/// An answer with one record that points back into the question.
#[cfg(test)]
pub fn sample() -> Vec<u8> {
    let query = query(7, "_a._tcp").expect("a good name");
    let target = [3, b'm', b'o', b'n', 192, 12];
    tests::answer(&query, 0, &[(1, 2, 3300, &target)])
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn answer(query: &[u8], flags: u16, records: &[(u16, u16, u16, &[u8])]) -> Vec<u8> {
        let mut bytes = query.to_vec();
        bytes[2..4].copy_from_slice(&(0x8000 | flags).to_be_bytes());
        bytes[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        for (priority, weight, port, target) in records {
            bytes.extend([192, 12, 0, 33, 0, 1, 0, 0, 0, 9]);
            bytes.extend((6 + target.len() as u16).to_be_bytes());
            for number in [priority, weight, port] {
                bytes.extend(number.to_be_bytes());
            }
            bytes.extend(*target);
        }
        bytes
    }

    const TARGET: &[u8] = &[4, b'm', b'o', b'n', b'1', 7, b'e', b'x', b'a', b'm', b'p', b'l', b'e', 0];

    #[test]
    fn the_files_words() {
        let resolver = Resolver::parse(
            "# x\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nsearch a.b c\noptions timeout:1 attempts:9 rotate\n",
        );
        assert_eq!(resolver.servers, ["10.0.0.1:53".parse().unwrap(), "[fe80::1]:53".parse().unwrap()]);
        assert_eq!(resolver.search, ["a.b", "c"]);
        assert_eq!((resolver.timeout, resolver.attempts), (Duration::from_secs(1), 5));
        assert_eq!(Resolver::parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn answers_are_read_and_others_are_not() {
        let query = query(7, "_ceph-mon._tcp.example").unwrap();
        let good =
            answer(&query, 0, &[(1, 2, 3300, TARGET), (0, 0, 1, &[0]), (3, 4, 5, &[2, b'm', b'2', 192, 27])]);
        let records = parse(&good, 7, &query).unwrap().records;
        assert_eq!(records[0], Srv { priority: 1, weight: 2, port: 3300, target: "mon1.example".into() });
        assert_eq!(records[1].target, "m2.example");
        assert_eq!(records.len(), 2);
        assert!(parse(&good, 8, &query).is_err());
        assert!(parse(&query, 7, &query).is_err(), "a question is no answer");
        for cut in 0..good.len() {
            assert!(parse(&good[..cut], 7, &query).is_err(), "{cut}");
        }
        // A name that points at itself.
        let at = query.len() as u8 + 18;
        assert!(parse(&answer(&query, 0, &[(1, 2, 3, &[192, at])]), 7, &query).is_err());
        let long = "x".repeat(64);
        for name in ["", "a..b", &long] {
            assert!(super::query(1, name).is_none());
        }
    }

    /// Answers `count` questions; what is asked for first does not exist.
    async fn server(count: usize) -> (SocketAddr, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpListener::bind(socket.local_addr().unwrap()).await.unwrap();
        let addr = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut asked = Vec::new();
            let mut buffer = [0; 512];
            for n in 0..count {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let question = buffer[..length].to_vec();
                // An answer to somebody else comes first.
                let mut stray = answer(&question, 0, &[]);
                stray[0] ^= 1;
                socket.send_to(&stray, from).await.unwrap();
                let flags = if n == 0 { 3 } else { 0x200 };
                socket.send_to(&answer(&question, flags, &[]), from).await.unwrap();
                if n > 0 {
                    let (mut stream, _) = stream.accept().await.unwrap();
                    let length = stream.read_u16().await.unwrap();
                    let mut again = vec![0; length.into()];
                    stream.read_exact(&mut again).await.unwrap();
                    assert_eq!(again, question);
                    let reply = answer(&question, 0, &[(10, 5, 3300, TARGET)]);
                    stream.write_all(&(reply.len() as u16).to_be_bytes()).await.unwrap();
                    stream.write_all(&reply).await.unwrap();
                }
                asked.push(question);
            }
            asked
        });
        (addr, task)
    }

    #[tokio::test]
    async fn search_domains_are_tried_and_long_answers_come_by_tcp() {
        let (addr, asked) = server(2).await;
        let resolver =
            Resolver { servers: vec![addr], search: vec!["example".into()], ..Resolver::parse("") };
        let found = resolver.monitors("ceph-mon").await;
        assert_eq!(found, [Srv { priority: 10, weight: 5, port: 3300, target: "mon1.example".into() }]);
        let asked = asked.await.unwrap();
        assert_eq!(asked[0][12..], query(0, "_ceph-mon._tcp").unwrap()[12..]);
        assert_eq!(asked[1][12..], query(0, "_ceph-mon._tcp.example").unwrap()[12..]);
    }

    #[tokio::test]
    async fn a_domain_in_the_name_is_used_and_silence_is_no_records() {
        let (addr, asked) = server(1).await;
        let resolver = Resolver {
            servers: vec![addr],
            search: vec![],
            ..Resolver::parse("options timeout:1 attempts:1")
        };
        assert_eq!(resolver.monitors("ceph-mon_my.domain").await, []);
        assert_eq!(asked.await.unwrap()[0][12..], query(0, "_ceph-mon._tcp.my.domain").unwrap()[12..]);
        assert_eq!(resolver.monitors("ceph-mon").await, []);
    }
}
