/// What a layout costs in one step. Fewer of everything is better.
public struct LayoutFigures: Sendable, Hashable {
    public var seconds: Double
    /// 0 where no prices are known.
    public var dollars: Double
    /// Before the facility's overhead; 0 where the objective did not ask for it.
    public var joules: Double
    /// Peak bytes on a GPU; 0 where it is not one of the goals.
    public var bytes: Double

    public init(seconds: Double, dollars: Double = 0, joules: Double = 0, bytes: Double = 0) {
        (self.seconds, self.dollars, self.joules, self.bytes) = (seconds, dollars, joules, bytes)
    }

    /// At most as much of everything.
    func isWithin(_ other: LayoutFigures) -> Bool {
        seconds <= other.seconds && dollars <= other.dollars && joules <= other.joules && bytes <= other.bytes
    }
}

/// Points of which none is at least as good as another in every respect; of equal points the first by index stands for all.
///
/// Kung, Luccio and Preparata, J. ACM 22(4), 1975, define the maxima of a set of vectors.
/// - Complexity: an insertion is O(members).
struct ParetoFront<Element> {
    private(set) var members: [(figures: LayoutFigures, index: Int, element: Element)] = []

    /// Whether a point could enter whose figures are at least `figures` and whose place is `index`: only an equal point of a later place gives way.
    func excludes(_ figures: LayoutFigures, index: Int) -> Bool {
        members.contains { $0.figures.isWithin(figures) && ($0.figures != figures || $0.index < index) }
    }

    mutating func insert(_ figures: LayoutFigures, index: Int, _ element: Element) {
        guard !excludes(figures, index: index) else { return }
        members.removeAll { figures.isWithin($0.figures) }
        members.append((figures, index, element))
    }
}
