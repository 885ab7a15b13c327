import Cluster
import Foundation

// `fabric-against-simgrid DRIVER [REPORT.md]` compares finish times and speed with SimGrid 3.32 in one run.
// `fabric-against-simgrid --ours ring|closed|permutation SPINES` is how it measures its own memory: each in a process of its own.

let arguments = Array(CommandLine.arguments.dropFirst())

func seconds(_ body: () throws -> Void) rethrows -> Double { try ContinuousClock().measure(body) / .seconds(1) }
func peakMemory() -> Double {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_maxrss) * 1024
}
/// A whole number of bytes a message: SimGrid cuts fractions off.
let ringBytes = 1024.0 * 97_656
func ring() throws -> CommunicationPattern { try .collective(.allReduce, by: .ring, ranks: 1024, bytes: ringBytes) }
func tree(_ spines: Int) -> Place { .fatTree(1024, leaf: 16, spines: spines) }

if arguments.first == "--ours" {
    let network = try tree(Int(arguments[2]) ?? 16).network()
    var end = 0.0
    let time: Double
    if arguments[1] == "ring" {
        time = try seconds { end = try network.play(ring(), on: Array(0..<1024)) }
    } else if arguments[1] == "closed" {
        let (hosts, pattern, count) = (Array(0..<1024), try ring(), 200)
        time = try seconds { for _ in 0..<count { end = try network.time(pattern, on: hosts).seconds } } / Double(count)
    } else {
        let flows = Case.permutations(tree(Int(arguments[2]) ?? 4), each: 10, seed: 42).flows
        time = try seconds { end = try network.simulate(flows).end }
    }
    print("\(time) \(end) \(peakMemory())")
    exit(0)
}

guard let driver = arguments.first else {
    print("usage: fabric-against-simgrid DRIVER [REPORT.md]")
    exit(2)
}
let peer = Peer(driver: driver)
var report = ""
@MainActor func say(_ line: String) {
    print(line)
    fflush(nil)
    report += line + "\n"
}
func rounded(_ value: Double, _ digits: Int = 3) -> String { String(format: "%.\(digits)g", value) }

say(
    "# The fabric beside SimGrid 3.32\n\nMade by `make simgrid`. Network model CM02 without TCP-gamma and cross-traffic; ours with `fairness: rtt`.\n"
)
say("## Finish times\n\nLargest difference of a flow's finish time, relative (or in seconds where it is below 5 ns).\n")
say(
    "| place | pattern | flows | largest difference from SimGrid's full solve | from its default | flows that its default gets wrong by over 1e-6 |"
)
say("|--|--|--:|--:|--:|--:|")
var worst = 0.0
for one in Case.all {
    let ours = try one.place.network().simulate(one.flows).finish
    func differences(_ theirs: [Double]) -> [Double] {
        zip(ours, theirs).map { abs($0 - $1) <= 5e-9 ? 0 : abs($0 - $1) / $1 }
    }
    let full = differences(try peer.flows(one.flows, on: one.place, .full).finish)
    let lazy = differences(try peer.flows(one.flows, on: one.place, .lazy).finish)
    worst = max(worst, full.max() ?? 0)
    say(
        "| \(one.place.name) | \(one.pattern) | \(one.flows.count) | \(rounded(full.max() ?? 0)) | \(rounded(lazy.max() ?? 0)) | \(lazy.count { $0 > 1e-6 }) |"
    )
}

say(
    "\n## Speed and memory, one run\n\nSeconds of the simulation alone, ours the median of five; SimGrid in the faster of its two modes. Memory is the peak of a process that does nothing else.\n"
)
say("| work | ours s | SimGrid full s | default s | times faster | ours MB | SimGrid MB |\n|--|--:|--:|--:|--:|--:|--:|")
func own(_ kind: String, _ spines: Int) throws -> (seconds: Double, end: Double, bytes: Double) {
    // The median of five: SimGrid's runs are so long that they average over the machine's moods.
    let runs = try (0..<5).map { _ in
        try output(of: CommandLine.arguments[0], ["--ours", kind, "\(spines)"]).split(whereSeparator: \.isWhitespace).compactMap {
            Double($0)
        }
    }
    let median = runs.sorted { $0[0] < $1[0] }[2]
    return (median[0], median[1], runs.map { $0[2] }.max() ?? .nan)
}
var ratios: [String: Double] = [:]
@MainActor func row(_ name: String, _ ours: (seconds: Double, end: Double, bytes: Double), _ full: Peer.Run, _ lazy: Peer.Run) {
    let best = min(full.seconds, lazy.seconds)
    ratios[name] = best / ours.seconds
    say(
        "| \(name) | \(rounded(ours.seconds)) | \(rounded(full.seconds)) | \(rounded(lazy.seconds)) | \(rounded(best / ours.seconds, 4)) | \(rounded(ours.bytes / 1e6)) | \(rounded(min(full.peakBytes, lazy.peakBytes) / 1e6)) |"
    )
    let gap = abs(ours.end - full.end) / full.end
    worst = max(worst, gap)
}
let ringPlace = tree(16)
let ringFull = try peer.ring(bytes: ringBytes, on: ringPlace, .full)
let ringLazy = try peer.ring(bytes: ringBytes, on: ringPlace, .lazy)
row("ring all-reduce of 1,024 hosts, every message a flow (2.1 M)", try own("ring", 16), ringFull, ringLazy)
row("the same through its closed form", try own("closed", 16), ringFull, ringLazy)
for spines in [4, 16] {
    let place = tree(spines)
    let flows = Case.permutations(place, each: 10, seed: 42).flows
    let full = try peer.flows(flows, on: place, .full)
    let lazy = try peer.flows(flows, on: place, .lazy)
    row("\(flows.count) flows of 10 permutations, \(spines) spines", try own("permutation", spines), full, lazy)
}
say("\nLargest difference of any finish time above, relative: \(rounded(worst)).")
if arguments.count > 1 { try Data(report.utf8).write(to: URL(fileURLWithPath: arguments[1])) }
guard worst < 1e-6 else {
    print("fabric-against-simgrid: finish times differ by \(worst)")
    exit(1)
}
