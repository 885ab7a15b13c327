public enum EngineVersion { public static let orderOfEvents = "(time, priority, sequence)" }
