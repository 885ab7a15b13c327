/// Patterns in which chunks follow each other along a line or a tree.
extension CommunicationPattern {
    /// Rank r passes chunk after chunk on to rank r + 1: chunks + ranks - 2 steps (a pipelined broadcast).
    static func chain(_ ranks: Int, bytes: Double, chunks: Int) -> CommunicationPattern {
        let size = bytes / Double(chunks)
        var result = CommunicationPattern(ranks: ranks, phases: [])
        for step in 0..<(chunks + ranks - 2) {
            let senders = max(0, step - chunks + 1)...min(step, ranks - 2)
            result.append(Phase(steps: 1, messages: senders.map { Message(from: $0, to: $0 + 1, bytes: size) }))
        }
        return result
    }

    /// Chunks go up both trees and down again, all levels at work at the same time. Each tree carries half of the bytes.
    static func doubleTree(_ ranks: Int, bytes: Double, form: PatternForm, reduces: Bool) -> CommunicationPattern {
        let parents = doubleTreeParents(ranks)
        let depths = parents.map { parent in
            (0..<ranks).map { rank in
                var (depth, node) = (0, rank)
                while parent[node] >= 0 {
                    node = parent[node]
                    depth += 1
                }
                return depth
            }
        }
        let height = depths.joined().max() ?? 0
        let down = reduces ? height : 0
        let chunks =
            form.chunks ?? (try? LibraryTuning.nccl())?.treePieces(bytes / 2, steps: down + height, hop: form.hop) ?? 1
        let size = bytes / 2 / Double(chunks)
        var result = CommunicationPattern(ranks: ranks, phases: [])
        for step in 0..<(chunks + down + height - 1) {
            var messages: [Message] = []
            for tree in 0..<2 {
                for rank in 1..<ranks {
                    let (depth, parent) = (depths[tree][rank], parents[tree][rank])
                    let rising = step - (height - depth)
                    if reduces, rising >= 0, rising < chunks { messages.append(Message(from: rank, to: parent, bytes: size)) }
                    let falling = step - down - (depth - 1)
                    if falling >= 0, falling < chunks { messages.append(Message(from: parent, to: rank, bytes: size)) }
                }
            }
            result.append(Phase(steps: 1, messages: messages))
        }
        return result
    }

    /// [2][ranks] the parent of each rank in both trees, -1 for the root, which is rank 0 in both. The second tree is the first with every other rank
    /// moved on by one, so that who has children in one has none in the other.
    static func doubleTreeParents(_ ranks: Int) -> [[Int]] {
        (0..<2).map { shift in
            var parent = [Int](repeating: -1, count: ranks)
            for rank in 1..<max(1, ranks) {
                let place = shift == 0 ? rank : (rank % (ranks - 1)) + 1
                let above = treeParent(place, ranks)
                parent[rank] = shift == 0 || above == 0 ? above : (above + ranks - 3) % (ranks - 1) + 1
            }
            return parent
        }
    }

    /// Parent in the binary tree whose in-order numbers are the ranks: clear the lowest set bit and set the next.
    private static func treeParent(_ rank: Int, _ ranks: Int) -> Int {
        let lowest = rank & -rank
        let above = (rank ^ lowest) | (lowest << 1)
        return above >= ranks ? rank ^ lowest : above
    }
}
