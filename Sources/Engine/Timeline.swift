import Quantities

/// What happened on a track (a GPU's stream, a link) from one instant to another. `label` is the caller's number for what it was.
public struct TimelineSpan: Hashable, Sendable {
    public var track: Int32
    public var label: Int32
    public var start: Instant
    public var end: Instant
    @inlinable
    public init(track: Int32, label: Int32, start: Instant, end: Instant) {
        self.track = track
        self.label = label
        self.start = start
        self.end = end
    }
}

/// Where a simulation reports what it did. Code is generic over the recorder, so that for `NoTimeline` the compiler removes the call and
/// the computation of its argument.
public protocol TimelineRecorder {
    mutating func record(_ span: @autoclosure () -> TimelineSpan)
}

/// Records nothing and costs nothing.
public struct NoTimeline: TimelineRecorder, Sendable {
    @inlinable public init() {}
    @inlinable @inline(__always) public func record(_ span: @autoclosure () -> TimelineSpan) {}
}

/// Keeps every span in the order of recording.
public struct Timeline: TimelineRecorder, Sendable {
    public private(set) var spans: [TimelineSpan] = []
    public init() {}
    public mutating func record(_ span: @autoclosure () -> TimelineSpan) { spans.append(span()) }
}
