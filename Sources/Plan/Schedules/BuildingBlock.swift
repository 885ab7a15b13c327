/// F and B of one micro-batch on all ranks of a V, in units of tF = tB = tW = 1.
///
/// Repeating it every 6 units gives a schedule, and how long the block lives on a rank, over 6, is its memory: down + up = 2 gives a third of the
/// memory of 1F1B, 3 half of it (arXiv:2405.15362 section 3).
struct BuildingBlock {
    /// Units that F of chunk 0 and B of chunk 1 take from a rank to the next one down, and that F of chunk 1 and B of chunk 0 take back up.
    var down: Int
    var up: Int
    /// Units from F of chunk 0 to F of chunk 1 on the last rank, from there to B of chunk 1 on the first, and to B of chunk 0 on the last.
    var turns: [Int]

    /// Starts of (F0, F1, B1, B0), [ranks][4].
    func starts(ranks p: Int) -> [[Int]] {
        (0..<p).map { r in
            let f1Top = (p - 1) * down + turns[0] + (p - 1) * up
            let b1 = f1Top + turns[1]
            let b0Bottom = b1 + (p - 1) * down + turns[2]
            return [r * down, f1Top - r * up, b1 + r * down, b0Bottom + (p - 1 - r) * up]
        }
    }

    /// Blocks that walk `speed` units down and up again in sum and can be repeated, shortest turns first.
    static func candidates(ranks p: Int, speed: Int) -> [BuildingBlock] {
        var found: [BuildingBlock] = []
        for down in 1..<speed {
            for first in 1...6 {
                for second in 1...6 {
                    for third in 1...6 {
                        let block = BuildingBlock(down: down, up: speed - down, turns: [first, second, third])
                        if block.repeats(ranks: p) { found.append(block) }
                    }
                }
            }
        }
        return found.sorted { $0.turns.reduce(0, +) < $1.turns.reduce(0, +) }
    }

    /// Whether repeating it every 6 units never asks a rank for two things at once.
    func repeats(ranks p: Int) -> Bool { starts(ranks: p).allSatisfy { Set($0.map { $0 % 6 }).count == 4 } }

    /// F and B of `m` repetitions in the order of their planned starts, [ranks].
    func order(ranks p: Int, microBatches m: Int) -> [[Instruction]] {
        starts(ranks: p).map { at in
            var timed: [(Int, Instruction)] = []
            timed.reserveCapacity(4 * m)
            for i in 0..<m {
                timed.append((6 * i + at[0], Instruction(.forward, i, chunk: 0)))
                timed.append((6 * i + at[1], Instruction(.forward, i, chunk: 1)))
                timed.append((6 * i + at[2], Instruction(.backward, i, chunk: 1)))
                timed.append((6 * i + at[3], Instruction(.backward, i, chunk: 0)))
            }
            return timed.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
