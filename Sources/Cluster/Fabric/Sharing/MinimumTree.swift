/// The smallest of many values that change: a tournament, each inner node holding the lesser of its two children.
/// Updates stop at the first node that does not change.
struct MinimumTree: ~Copyable {
    private var nodes: Column<Double>
    private var leaves: Int

    init(count: Int) {
        leaves = 1
        while leaves < max(2, count) { leaves *= 2 }
        nodes = Column(count: 2 * leaves, repeating: .infinity)
    }

    var minimum: Double { nodes[1] }

    @inline(__always) subscript(_ index: Int) -> Double { nodes[leaves &+ index] }

    /// - Complexity: O(log count).
    @inline(__always)
    mutating func set(_ index: Int, to value: Double) {
        var node = leaves &+ index
        if nodes[node] == value { return }
        nodes[node] = value
        while node > 1 {
            let lesser = min(nodes[node], nodes[node ^ 1])
            node >>= 1
            if nodes[node] == lesser { break }
            nodes[node] = lesser
        }
    }

    mutating func grow(to count: Int) {
        guard count > leaves else { return }
        var larger = MinimumTree(count: count)
        for index in 0..<leaves where self[index] != .infinity { larger.set(index, to: self[index]) }
        self = larger
    }

    /// Calls `body` with every index whose value is at most `limit`, ascending.
    func forEach(atMost limit: Double, _ body: (Int) -> Void) {
        guard minimum <= limit else { return }
        var node = 1
        while true {
            if nodes[node] <= limit, node < leaves {
                node *= 2
                continue
            }
            if nodes[node] <= limit { body(node - leaves) }
            // on to the next subtree to the right
            while node & 1 == 1 {
                if node == 1 { return }
                node >>= 1
                if node == 1 { return }
            }
            node += 1
        }
    }
}
