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

    /// Appends every index whose value is at most `limit`, ascending.
    func collect(atMost limit: Double, into result: inout Column<Int32>) {
        guard minimum <= limit else { return }
        var node = 1
        while true {
            if nodes[node] <= limit {
                if node < leaves {
                    node &*= 2
                    continue
                }
                result.append(Int32(truncatingIfNeeded: node &- leaves))
            }
            // On to the next subtree to the right: up as long as this is a right child.
            node = (node &+ 1) >> (node &+ 1).trailingZeroBitCount
            if node == 1 { return }
        }
    }
}
