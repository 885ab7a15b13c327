import CNumerics

/// Which coordinates of a gradient are sent.
public enum Selection: Sendable, Equatable {
    /// How many: a share of all, rounded up to at least one, or a count.
    public enum Amount: Sendable, Equatable {
        case share(Double)
        case count(Int)

        func k(of n: Int) -> Int {
            switch self {
            case .share(let share): n == 0 ? 0 : min(n, max(1, Int((share * Double(n)).rounded())))
            case .count(let count): min(count, n)
            }
        }
        var label: String {
            switch self {
            case .share(let share): "\(Double((share * 1e6).rounded()) / 1e4)%"
            case .count(let count): "\(count)"
            }
        }
    }

    /// The largest magnitudes, exactly that many; among equals the earlier position (Aji and Heafield, arXiv:1704.05021).
    case top(Amount)
    /// A uniform draw, the same on every worker that shares the seed and has made as many calls; only the seed is sent.
    case random(Amount, seed: UInt64)
    /// Every magnitude from a threshold on (Strom 2015).
    case threshold(Float)

    var label: String {
        switch self {
        case .top(let amount): "top \(amount.label)"
        case .random(let amount, _): "random \(amount.label)"
        case .threshold(let bound): "threshold \(bound)"
        }
    }

    func check() throws(CodecError) {
        switch self {
        case .top(let amount), .random(let amount, _):
            switch amount {
            case .share(let share) where !(share > 0 && share <= 1):
                throw .misuse("a share of \(share): it must be above 0 and at most 1, for instance 0.05")
            case .count(let count) where count < 0: throw .misuse("a count of \(count): it must not be negative")
            default: break
            }
        case .threshold(let bound):
            guard bound >= 0 else { throw .misuse("a threshold of \(bound): it must be zero or more") }
        }
    }

    /// The number of positions for n elements, where the data do not decide it.
    public func count(of n: Int) -> Int? {
        switch self {
        case .top(let amount), .random(let amount, _): amount.k(of: n)
        case .threshold: nil
        }
    }

    /// What is sent of `x`, into which `adding` has been added first where given.
    func select(
        from x: UnsafeMutablePointer<Float>, count n: Int, adding: UnsafePointer<Float>?, draw: UInt64
    ) throws(CodecError) -> SparseGradient {
        if let adding, !isTop { cn_axpy_f32(x, adding, n, 1) }
        let k = count(of: n) ?? n
        var status: Int32 = 0
        var values: [Float] = []
        let positions = [UInt32](unsafeUninitializedCapacity: max(1, k)) { buffer, filled in
            guard let out = buffer.baseAddress else { return }
            filled = k
            switch self {
            case .top:
                values = [Float](unsafeUninitializedCapacity: max(1, k)) { chosen, used in
                    used = k
                    let target = cn_selection(count: k, positions: out, values: chosen.baseAddress)
                    status = adding.map { cn_accumulate_top_k($0, x, n, target) } ?? cn_top_k(x, n, target)
                    if status != 0 { used = 0 }
                }
            case .random: status = cn_random_k(UInt64(n), k, draw, out)
            case .threshold(let bound): filled = cn_at_least(x, n, bound, out)
            }
            if status != 0 { filled = 0 }
        }
        guard status == 0 else { throw .outOfMemory }
        if !isTop {
            values = [Float](unsafeUninitializedCapacity: positions.count) { chosen, used in
                used = positions.count
                cn_gather(x, positions, positions.count, chosen.baseAddress)
            }
        }
        return SparseGradient(ascending: positions, values: values, count: n)
    }

    private var isTop: Bool {
        if case .top = self { true } else { false }
    }
}
