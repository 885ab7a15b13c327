import Cluster
import Plan

/// Which flows: of one place (lane and pipeline rank), all model-parallel ranks and all replicas of the lane together.
struct PatternKey: Hashable {
    enum Kind: Hashable {
        /// To the same ranks of another stage.
        case hop(to: Int)
        case collective(CollectiveOp, GroupTraffic.Members)
    }
    var place: Int
    var kind: Kind
    var group: TrafficGroup
}

/// The flows of a key for a buffer of one byte, added up by link. They run in lock step: the replicas and ranks that they join do the same at the same time.
struct RawPattern {
    /// Links in ascending order, with the bytes that cross each.
    var loads: [(link: Int32, bytes: Double)] = []
    /// Bytes of a typical flow: of those that leave a fast domain, where some do.
    var flowBytes = 0.0
    /// Bytes of all flows that stay inside a domain, and of those that leave it.
    var inside = 0.0
    var outside = 0.0
}

/// Turns groups into flows between GPUs and routes them.
///
/// A ring over D domains with k ranks in each runs as k rings that cross to the next domain at another rank each, so that every port carries its part: of f S
/// bytes over each edge of the ring, a rank sends f S / k to its counterpart in the next domain and f S (k - 1) / k inside.
/// In all-to-all every rank sends S / n to every other.
struct PatternBuilder {
    let network: TrainingNetwork
    let groups: RankGroups
    private var placement: Placement { groups.placement }
    let collectives: CollectiveModel
    let lanes: Int
    /// Links that flows go round where there is another way.
    var avoided: Set<Int> = []
    private let sums: LinkSums

    init(network: TrainingNetwork, groups: RankGroups, collectives: CollectiveModel, lanes: Int) {
        self.network = network
        self.groups = groups
        self.collectives = collectives
        self.lanes = max(1, lanes)
        sums = LinkSums(network)
    }

    /// The bytes of one pattern after the other, by link. A class: what counts flow by flow must not be copied with the builder.
    private final class LinkSums {
        private var router: FlowRouter
        /// [links]
        private var bytes: [Double]
        private var touched: [Int32] = []

        init(_ network: TrainingNetwork) {
            router = FlowRouter(network)
            bytes = Array(repeating: 0, count: network.network.linkCount)
        }

        func add(_ more: Double, from source: Int, to destination: Int, avoiding: Set<Int>) {
            router.forEachLink(from: source, to: destination, avoiding: avoiding) { link in
                if bytes[link] == 0 { touched.append(Int32(truncatingIfNeeded: link)) }
                bytes[link] += more
            }
        }

        /// Links in ascending order with their bytes, and all back to zero.
        func take() -> [(link: Int32, bytes: Double)] {
            touched.sort()
            let loads = touched.map { (link: $0, bytes: bytes[Int($0)]) }
            for link in touched { bytes[Int(link)] = 0 }
            touched.removeAll(keepingCapacity: true)
            return loads
        }
    }

    private struct Group {
        /// [members] ranks
        let members: [Int]
        /// [members] block and place in it.
        var seat: [(block: Int, place: Int)] = []
        /// [domains][] members as indices
        var blocks: [[Int]] = []

        init(_ members: [Int], _ placement: Placement) {
            self.members = members
            var blockOf: [Int: Int] = [:]
            for (index, rank) in members.enumerated() {
                let domain = placement.domain(of: rank)
                let block = blockOf[domain] ?? blocks.count
                if block == blocks.count {
                    blockOf[domain] = block
                    blocks.append([])
                }
                seat.append((block, blocks[block].count))
                blocks[block].append(index)
            }
        }
    }

    func build(_ key: PatternKey, ranks: Int) -> RawPattern {
        let (lane, stage) = (key.place / ranks, key.place % ranks)
        let degrees = placement.degrees
        let perLane = max(1, degrees.data / lanes)
        let perReplica = degrees.tensor * degrees.context
        let sources = (stage * degrees.stage + lane * perLane * perReplica)..<(stage * degrees.stage + (lane + 1) * perLane * perReplica)
        var sum = (inside: 0.0, outside: 0.0, insideFlows: 0, outsideFlows: 0)
        func send(from source: Int, to destination: Int, _ bytes: Double) {
            let (a, b) = (placement.gpu(of: source), placement.gpu(of: destination))
            guard bytes > 0, a != b else { return }
            if placement.domain(of: source) == placement.domain(of: destination) {
                sum.inside += bytes
                sum.insideFlows += 1
            } else {
                sum.outside += bytes
                sum.outsideFlows += 1
            }
            sums.add(bytes, from: a, to: b, avoiding: avoided)
        }
        switch key.kind {
        case .hop(let target):
            for rank in sources { send(from: rank, to: rank + (target - stage) * degrees.stage, 1) }
        case .collective(let operation, let members):
            var joined: [Group] = []
            // [sources] its group and its place there. Flows go out rank by rank: sums of the same parts in another order would differ in the last bit.
            var seats = [(group: Int32, index: Int32)](repeating: (-1, 0), count: sources.count)
            for rank in sources {
                if seats[rank - sources.lowerBound].group < 0 {
                    let group = Group(groups.members(members, of: rank), placement)
                    for (index, member) in group.members.enumerated() where sources.contains(member) {
                        seats[member - sources.lowerBound] = (Int32(joined.count), Int32(index))
                    }
                    joined.append(group)
                }
                let seat = seats[rank - sources.lowerBound]
                let group = joined[Int(seat.group)]
                flows(operation, group, from: Int(seat.index)) { target, bytes in send(from: rank, to: group.members[target], bytes) }
            }
        }
        var raw = RawPattern(inside: sum.inside, outside: sum.outside)
        raw.flowBytes =
            sum.outsideFlows > 0
            ? sum.outside / Double(sum.outsideFlows) : sum.insideFlows > 0 ? sum.inside / Double(sum.insideFlows) : 0
        raw.loads = sums.take()
        return raw
    }

    /// What one member of a group sends, of a buffer of one byte.
    private func flows(_ operation: CollectiveOp, _ group: Group, from index: Int, _ send: (Int, Double) -> Void) {
        let n = group.members.count
        guard n > 1 else { return }
        let (block, place) = group.seat[index]
        let own = group.blocks[block]
        switch operation {
        case .sendReceive: send((index + 1) % n, 1)
        case .allToAll:
            if n <= 256 {
                for other in 0..<n where other != index { send(other, 1 / Double(n)) }
            } else {
                // What goes to a domain is handed over in one piece at the counterpart's rail.
                for other in own where other != index { send(other, 1 / Double(n)) }
                for target in group.blocks.indices where target != block {
                    let there = group.blocks[target]
                    send(there[place % there.count], Double(there.count) / Double(n))
                }
            }
        default:
            guard group.blocks.count > 1 else {
                let sent = collectives.traffic(operation, bytes: 1, group: GroupShape(ranks: n, perDomain: n)).nvlink
                send(own[(place + 1) % own.count], sent)
                return
            }
            let edge = collectives.traffic(operation, bytes: 1, group: GroupShape(ranks: n, perDomain: 1)).network
            let k = Double(own.count)
            if own.count > 1 { send(own[(place + 1) % own.count], edge * (k - 1) / k) }
            let next = group.blocks[(block + 1) % group.blocks.count]
            let shared = min(own.count, next.count)
            if place < shared { send(next[place], edge / Double(shared)) }
        }
    }
}
